"""The customer's sentences in other languages, one file each."""
