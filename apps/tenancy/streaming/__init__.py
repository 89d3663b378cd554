"""The streaming process: server-sent events that say that something changed, and nothing else.

Who may ask what is decided by the API, which hands out tickets; rooms above say how to look for changes.
"""
