"""The audit trail and the data of one user."""
