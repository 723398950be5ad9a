"""The stack: what runs is observed, compared with what is wanted, and changed as planned."""
