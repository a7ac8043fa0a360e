"""Asking the customer: the screens behind core/prompt.Prompt."""
