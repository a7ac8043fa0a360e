"""What a Linux machine tells about itself. One file a subject; parsers are plain functions on text."""
