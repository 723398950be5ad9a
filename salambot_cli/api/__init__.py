"""Clients of the services' own HTTP APIs."""
