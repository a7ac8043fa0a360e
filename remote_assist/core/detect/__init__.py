"""What redaction looks for, and where it is worth looking."""
