"""The public service: authentication, limits, idempotency, webhooks; everything else is behind it."""
