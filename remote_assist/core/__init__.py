"""DECIDES: no I/O, no clock, no randomness, no async, no logging. Time and random bytes are arguments."""
