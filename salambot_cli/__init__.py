"""The `salambot` command: it runs the four services and their components, each local or in the cloud."""

__version__ = "0.2.0"
