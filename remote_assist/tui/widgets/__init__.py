"""Widgets: they show values and post typed messages; none of them awaits the network."""
