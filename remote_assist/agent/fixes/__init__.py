"""What outlives a fix: how to undo it, what to ask after a crash, what to verify after a restart."""
