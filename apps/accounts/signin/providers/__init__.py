"""Signing in with an account elsewhere: the providers that a tenant offers, each with the tenant's own credentials."""
