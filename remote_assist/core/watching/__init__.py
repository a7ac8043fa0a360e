"""A machine over time: samples, trends, forecasts, alarms, what changed."""
