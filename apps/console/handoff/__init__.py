"""From the console's admin into an environment's admin, without an account there."""
