"""Writes down: the journal and its delivery, recordings, and an eye on log and disk."""
