"""The database of an installation: the embedded Postgres, or a server named by two URLs."""

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from apps.tenancy.embedded import EmbeddedPostgres
from apps.tenancy.startup.errors import BAD_USAGE, CannotStart

LOGIN = "PACKMULE_DATABASE_URL"
OWNER = "PACKMULE_OWNER_DATABASE_URL"
_OLDEST, _NEWEST = 15, 18

_FACTS = """
    select current_setting('server_version_num')::int / 10000 as major,
           current_database() as database,
           rolname as name,
           rolsuper as superuser,
           rolbypassrls as bypasses,
           rolinherit as inherits,
           rolcreaterole as creates_roles,
           has_database_privilege(current_database(), 'CREATE') as creates_schemas
    from pg_roles where rolname = current_user
"""


@dataclass(frozen=True)
class _Facts:
    """What a server says about itself and about the role that asks."""

    major: int
    database: str
    name: str
    superuser: bool
    bypasses: bool
    inherits: bool
    creates_roles: bool
    creates_schemas: bool


@dataclass
class EmbeddedPart:
    """The embedded Postgres as a part that a supervisor keeps running."""

    postgres: EmbeddedPostgres
    name: str = "Postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.postgres.start()

    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self.postgres.exit_code()

    def is_ready(self) -> bool:
        """`start` has waited for that."""
        return self.postgres.is_running()

    def stop(self) -> None:
        """Stop it within about four seconds."""
        self.postgres.stop()


def named(environ: dict[str, str]) -> bool:
    """Whether the environment names a server of its own. Raises CannotStart when it names only half of it."""
    given = [name for name in (LOGIN, OWNER) if environ.get(name, "").strip()]
    if len(given) == 1:
        raise CannotStart(
            f"Only {given[0]} is set. Set {LOGIN} and {OWNER} both, or neither for the embedded Postgres.",
            BAD_USAGE,
        )
    return bool(given)


def check(login_url: str, owner_url: str) -> None:
    """Refuse servers and roles under which the walls between tenants would not hold. Raises CannotStart."""
    login, owner = _facts(LOGIN, login_url), _facts(OWNER, owner_url)
    if not _OLDEST <= login.major <= _NEWEST:
        raise CannotStart(
            f"The server of {LOGIN} is Postgres {login.major}; {_OLDEST} to {_NEWEST} are supported."
        )
    if login.name == owner.name or login.database != owner.database:
        raise CannotStart(f"{LOGIN} and {OWNER} must name two roles of one database.", BAD_USAGE)
    _check_login(login)
    _check_owner(owner)


def _check_login(login: _Facts) -> None:
    wanted = {"NOSUPERUSER": login.superuser, "NOBYPASSRLS": login.bypasses, "NOINHERIT": login.inherits}
    missing = " ".join(attribute for attribute, broken in wanted.items() if broken)
    if missing:
        raise CannotStart(
            f'The role "{login.name}" of {LOGIN} must be {missing}, or the walls between tenants do not hold: '
            f'ALTER ROLE "{login.name}" {missing};'
        )


def _check_owner(owner: _Facts) -> None:
    if not (owner.superuser or (owner.creates_roles and owner.creates_schemas)):
        raise CannotStart(
            f'The role "{owner.name}" of {OWNER} must be able to create roles and schemas: '
            f'ALTER ROLE "{owner.name}" CREATEROLE; '
            f'GRANT CREATE ON DATABASE "{owner.database}" TO "{owner.name}";'
        )


def _facts(variable: str, url: str) -> _Facts:
    try:
        with psycopg.connect(url, connect_timeout=5, row_factory=class_row(_Facts)) as connection:
            return connection.execute(_FACTS).fetchall()[0]
    except psycopg.ProgrammingError:
        raise CannotStart(
            f"{variable} is no PostgreSQL URL. Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE.",
            BAD_USAGE,
        ) from None
    except psycopg.OperationalError as problem:
        raise CannotStart(f"The server of {variable} cannot be reached: {str(problem).strip()}") from None
