"""The live push of records to other systems."""
