"""What each tenant model says about the wall between organizations.

Every model whose table lives in tenants declares one of these; a system check refuses a model that declares none.
apps.tenancy turns the declarations into row-level security and grants when it builds a tenant's schema.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Model

M = TypeVar("M", bound=type[Model])


@dataclass(frozen=True, slots=True)
class Declaration:
    """`column` holds the organization's id (None: no organization wall, `why` says who may see the rows).

    `append_only` takes UPDATE and DELETE away from the tenant's own roles. `kept` are columns that the organization's
    role does not write: it makes and deletes no rows of such a table, and updates its other columns only. `shared` is a
    boolean column: its rows belong to no organization, and every one of them sees and writes those that say so.
    """

    column: str | None
    why: str = ""
    append_only: bool = False
    kept: tuple[str, ...] = ()
    shared: str | None = None


_declared: dict[str, Declaration] = {}
_filled_by_tenants: dict[str, str] = {}


def declare(label: str, declaration: Declaration) -> None:
    """Declare for the model `app_label.modelname` (lower case). For models of other people's apps."""
    _declared[label.lower()] = declaration


def walled(column: str, *, append_only: bool = False, shared: str | None = None) -> Callable[[M], M]:
    """Rows belong to the organization in `column`; those with NULL are the tenant's, and no organization sees them.

    Except for those whose column `shared` is true: they are everybody's in the tenant, and what decides about them is
    the rule of the room.
    """

    def mark(model: M) -> M:
        declare(model._meta.label_lower, Declaration(column, append_only=append_only, shared=shared))
        return model

    return mark


def unwalled(why: str, *, append_only: bool = False, kept: tuple[str, ...] = ()) -> Callable[[M], M]:
    """Rows belong to the tenant as a whole; `why` says who may see them and where that is enforced."""

    def mark(model: M) -> M:
        declare(model._meta.label_lower, Declaration(None, why, append_only, kept))
        return model

    return mark


def filled_by_tenants(column: str) -> Callable[[M], M]:
    """Let tenants put rows into a registry table, each under its own schema's name in `column`, and do nothing else.

    Such rows get keys made here: a tenant's role cannot read back what it wrote.
    """

    def mark(model: M) -> M:
        _filled_by_tenants[model._meta.label_lower] = column
        return model

    return mark


def column_filled_by_tenants(model: type[Model]) -> str | None:
    """The column of a registry table in which a tenant names itself; None where it writes nothing."""
    return _filled_by_tenants.get(model._meta.label_lower)


def declaration_of(model: type[Model]) -> Declaration | None:
    """What `model` declares, or None when it declares nothing."""
    return _declared.get(model._meta.label_lower)


def is_registry(model: type[Model]) -> bool:
    """True for a model whose one table lives in the registry, outside of every tenant."""
    return model._meta.db_table.startswith('"public".')
