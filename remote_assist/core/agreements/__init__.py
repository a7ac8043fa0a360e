"""What people signed beforehand: a second technician, an enrolled machine, a standing consent."""
