"""Tickets: the built-in book, other systems, and notes on their way to both."""
