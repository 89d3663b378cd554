"""JSON Schemas (2020-12) of collections: accepted, applied, read for fields, and compared. No database."""
