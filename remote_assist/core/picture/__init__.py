"""What of a screen may reach another screen."""
