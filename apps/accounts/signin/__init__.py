"""Signing up and in, in every tenant: allauth's flows, and what this platform decides about them."""
