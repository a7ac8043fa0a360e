"""What the customer does alone, offline: `self-check` and `watch`."""
