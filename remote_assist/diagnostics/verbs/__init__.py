"""The verbs of fixes, each with its check and its undo."""
