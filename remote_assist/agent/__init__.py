"""The customer's side: consent prompt, gate, executor."""
