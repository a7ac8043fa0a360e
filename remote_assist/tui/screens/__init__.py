"""Screens: each asks the bridge (work.py) for what it needs and shows what comes back as messages."""
