"""The eight components and four services: placements, variables, defaults, readiness."""
