"""Collectors for macOS. Written from the published documentation of each command; unverified on a real Mac."""
