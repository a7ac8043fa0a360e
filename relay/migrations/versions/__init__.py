"""The revisions, one file each, in the order of their numbers; never changed once released."""
