"""The log: what may enter, in which order, under which key, and what is read from it."""
