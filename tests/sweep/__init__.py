"""The sweep: every route, with every kind of credential, on everybody's things."""
