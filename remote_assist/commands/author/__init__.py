"""The verbs of whoever writes known issues and fixes."""
