"""Wires all sites when Django looks for admin modules; every room registers before a page is asked for."""

from apps.console import operating, sites
from apps.console.handoff import admin, place

sites.wire()
operating.wire()
place.wire()

__all__ = ["admin"]
