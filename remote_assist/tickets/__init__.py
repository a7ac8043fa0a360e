"""One interface to ticket systems, one file per system."""
