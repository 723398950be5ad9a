"""Costs: monthly estimates, and stopping what is billed by the hour."""
