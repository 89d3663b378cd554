"""Machine sign-in: each tenant is an OAuth 2.1 authorization server, built on allauth's identity provider."""
