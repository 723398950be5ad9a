"""The HTTP side of every service: application, middleware, protocol limits, listener, server."""
