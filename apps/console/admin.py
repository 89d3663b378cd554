"""Wires both sites when Django looks for admin modules; every room registers before a page is asked for."""

from apps.console import operating, sites

sites.wire()
operating.wire()
