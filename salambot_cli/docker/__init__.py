"""Docker: the command line, the engine, Compose projects, images."""
