"""Fixtures of this room's tests."""

from apps.orgs.tests.post import post

__all__ = ["post"]
