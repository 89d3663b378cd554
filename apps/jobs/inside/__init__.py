"""The platform's own workers: dramatiq's threads, fed with leases from the lanes of all tenants."""
