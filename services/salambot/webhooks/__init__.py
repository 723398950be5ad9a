"""From a stored event to a sent reply: the inbox and outbox in Postgres, the queue on Redis, the worker's rounds."""
