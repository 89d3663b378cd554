"""The shared world of all tests; see tests/world.py."""

pytest_plugins = ["tests.fixtures"]
