"""The technician's verbs."""
