"""How much of anything an address or a person may have."""
