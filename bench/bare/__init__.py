"""What Packmule is held against: a Django project of one view, without middleware, that runs the same statements.

`python -m bench.bare PORT`; the statements' file and the database come by environment. It runs under the same server,
with as many processes and threads, on the same Postgres.
"""
