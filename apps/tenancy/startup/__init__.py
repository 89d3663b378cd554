"""Bringing up a whole installation on one machine: what `manage.py up` does, step by step."""
