"""This machine as a target, where it is Linux or macOS."""
