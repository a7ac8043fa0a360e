"""Files of the machine an action acts on, wherever it is."""
