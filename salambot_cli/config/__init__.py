"""The effective configuration: layers, validation, variables by service, secret references."""
