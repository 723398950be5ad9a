"""AWS: clients, and descriptions reduced to the facts that decide."""
