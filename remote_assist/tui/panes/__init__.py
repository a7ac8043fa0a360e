"""The tabs of a session that ask for things themselves; each gets the session once it is connected."""
