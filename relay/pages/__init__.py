"""The HTTP half of the API: each method answers one verb."""
