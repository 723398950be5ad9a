"""Text embedders behind one small protocol, one file each."""
