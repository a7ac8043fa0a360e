"""Checkpoints anchored outside."""
