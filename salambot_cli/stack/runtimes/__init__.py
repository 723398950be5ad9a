"""How services and local components are started: Compose, or plain processes."""
