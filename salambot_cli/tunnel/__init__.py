"""The tunnel of the webhooks."""
