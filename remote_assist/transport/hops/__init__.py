"""Other machines as targets, over SSH and WinRM."""
