"""Connections: agents, pairings and streams, and the road between two ends."""
