"""Tables, databases, copies of them, and the data folder."""
