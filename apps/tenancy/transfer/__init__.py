"""A whole tenant as a folder: written from one snapshot, checked, and brought into another installation.

See docs/decisions/moving-tenants.md for what is carried and what is not.
"""
