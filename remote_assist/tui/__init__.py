"""SHOWS: app, screens, widgets, typed messages. Never awaits the network itself."""
