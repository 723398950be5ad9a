"""One file per step of a plan; plans.py holds the order."""
