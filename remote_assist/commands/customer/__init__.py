"""The customer's verbs."""
