"""LLM providers behind one small protocol, one file each."""
