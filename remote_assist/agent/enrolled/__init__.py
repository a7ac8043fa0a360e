"""Machines nobody sits at: enrolled once, called by standing consent."""
