"""The technician's side without a screen: everything the TUI and the command line can do."""
