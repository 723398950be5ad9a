"""Vector stores behind one small protocol, one file each."""
