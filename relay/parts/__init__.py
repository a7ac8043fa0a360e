"""What one relay is made of, in the order it is put together."""
