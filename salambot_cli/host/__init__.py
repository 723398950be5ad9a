"""This machine: processes, files, ports, TLS, clock, and what an environment keeps on disk."""
