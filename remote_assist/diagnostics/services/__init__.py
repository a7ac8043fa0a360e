"""Services of a machine, whoever keeps them: one file a keeper, one that chooses."""
