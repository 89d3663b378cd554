"""Endpoints of the product to which events are sent, and what became of each delivery."""
