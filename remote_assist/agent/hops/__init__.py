"""Machines behind the customer's, as the agent reaches them."""
