"""The roles and the database that an embedded Postgres begins with."""

import psycopg
from psycopg import sql

from apps.tenancy.embedded.configuration import DATABASE, SUPERUSER
from apps.tenancy.embedded.place import Place

_OWNER = "LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS NOCREATEDB NOREPLICATION"
_LOGIN = "LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION"


def ensure(place: Place, owner: str, login: str) -> None:
    """Create what is missing: the role `owner`, which owns the database, and the role `login`, which owns
    nothing.
    """
    with psycopg.connect(
        dbname="postgres", host=str(place.socket), user=SUPERUSER, autocommit=True
    ) as connection:
        _ensure_role(connection, owner, _OWNER)
        _ensure_role(connection, login, _LOGIN)
        if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
            _create_database(connection, owner, login)


def _ensure_role(connection: psycopg.Connection, name: str, rights: str) -> None:
    exists = _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", name)
    verb = sql.SQL("ALTER ROLE {} ") if exists else sql.SQL("CREATE ROLE {} ")
    connection.execute(verb.format(sql.Identifier(name)) + sql.SQL(rights))


def _create_database(connection: psycopg.Connection, owner: str, login: str) -> None:
    names = {"db": sql.Identifier(DATABASE), "owner": sql.Identifier(owner), "login": sql.Identifier(login)}
    create = (
        "CREATE DATABASE {db} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C' "
        "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
    )
    connection.execute(sql.SQL(create).format(**names))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {db} FROM PUBLIC").format(**names))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {db} TO {login}").format(**names))


def _exists(connection: psycopg.Connection, query: str, name: str) -> bool:
    return connection.execute(query, [name]).fetchone() is not None
