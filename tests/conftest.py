"""Fixtures that every test may use."""

pytest_plugins = ["pytester", "tests.leaks", "tests.requirements", "tests.servers"]
