"""Reports over the whole log: each a pure function from a log to tables."""
