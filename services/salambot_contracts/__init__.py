"""What the command and the services share: pure modules without an SDK, so that both read a value alike."""
