"""What a catalog says, and what is decided by it."""
