"""What a technician may ask of the agent, one file a kind of request."""
