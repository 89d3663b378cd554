"""`manage.py tenants list|show|create|delete|check|export|import`: operators' work, done as the platform itself."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, ClassVar

from django.db import transaction

from apps.console import moving, tenants
from apps.console.serializers import ExportOutput, ImportOutput, TenantFindingOutput, TenantOutput
from apps.core.actor import Actor, Call, Edge, system_actor
from apps.core.commands import CHANGES, DONE, Outcome, PackmuleCommand, add_json_option
from apps.core.ids import encode, uuid7
from apps.tenancy.walls import enter


class Command(PackmuleCommand):
    """The tenants of this installation."""

    help = (
        "List, show, create, delete, check, export and import tenants. `check` exits 2 when one is not current. "
        "An export is a folder with all rows and files, to be kept like the database itself."
    )
    examples: ClassVar = [
        "tenants list --json",
        "tenants show menugen/production",
        "tenants create menugen/staging --protected",
        "tenants create bakery/production --organization first",
        "tenants delete menugen/staging",
        "tenants check --json",
        "tenants export menugen/production --to menugen.tenant --key-file carrier.key",
        "tenants import menugen.tenant --as menugen/moved --organization first --key-file carrier.key",
    ]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One sub-command for each verb."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        listed = verbs.add_parser("list", help="the tenants by name")
        listed.add_argument(
            "--state", default="active", choices=["active", "spare", "importing", "deleted", "all"]
        )
        show = verbs.add_parser("show", help="one tenant")
        create = verbs.add_parser("create", help="a new tenant: an environment of an application")
        delete = verbs.add_parser("delete", help="take a tenant out of service")
        check = verbs.add_parser("check", help="compare every tenant's tables and walls with the code")
        for named in (show, create, delete):
            named.add_argument("name", help="application/environment")
        create.add_argument("--organization", help="slug of the organization that will own a new application")
        create.add_argument("--protected", action="store_true", help="what is risky there needs a person")
        export, bring = _add_moving(verbs)
        for verb in (listed, show, create, delete, check, export, bring):
            add_json_option(verb, default=False)

    def perform(self, *args: Any, verb: str, **options: Any) -> Any:
        """Do it in the console, as the system."""
        console = tenants.find_tenant("console")
        actor = system_actor(console.ref, Call(encode("req", uuid7()), Edge.COMMAND))
        with enter(console):
            if verb in (
                "export",
                "import",
            ):  # as long as they take, no transaction of the console's waits for them
                return getattr(self, f"_{verb}")(actor, options)
            with transaction.atomic():
                return getattr(self, f"_{verb}")(actor, options)

    def _list(self, actor: Actor, options: dict[str, Any]) -> Any:
        return {
            "data": TenantOutput.render_many(tenants.list_tenants(actor, state=options["state"])),
            "next_cursor": None,
        }

    def _show(self, actor: Actor, options: dict[str, Any]) -> Any:
        return TenantOutput.render(tenants.show_tenant(actor, name=options["name"]))

    def _create(self, actor: Actor, options: dict[str, Any]) -> Any:
        wanted = {name: options[name] for name in ("name", "organization", "protected")}
        return TenantOutput.render(tenants.create_tenant(actor, **wanted))

    def _delete(self, actor: Actor, options: dict[str, Any]) -> Any:
        return TenantOutput.render(tenants.delete_tenant(actor, name=options["name"]))

    def _check(self, actor: Actor, options: dict[str, Any]) -> Any:
        findings = tenants.check_tenants(actor)
        code = DONE if all(finding.status == "current" for finding in findings) else CHANGES
        document = {"data": TenantFindingOutput.render_many(findings), "next_cursor": None}
        return Outcome(document, code)

    def _export(self, actor: Actor, options: dict[str, Any]) -> Any:
        done = moving.export_tenant(
            actor, name=options["name"], target=options["to"], key_file=options["key_file"]
        )
        return ExportOutput.render(done)

    def _import(self, actor: Actor, options: dict[str, Any]) -> Any:
        wanted = {
            name: options[name]
            for name in ("source", "organization", "key_file", "without_data_keys", "sha256")
        }
        return ImportOutput.render(moving.import_tenant(actor, name=options["as"], **wanted))


def _add_moving(verbs: Any) -> tuple[ArgumentParser, ArgumentParser]:
    export = verbs.add_parser(
        "export",
        help="write a tenant with all its rows and files into a new folder; one that broke off goes on",
    )
    export.add_argument("name", help="application/environment")
    export.add_argument("--to", type=Path, required=True, metavar="DIR", help="the folder to make")
    bring = verbs.add_parser("import", help="bring in a tenant that was exported")
    bring.add_argument("source", type=Path, metavar="DIR", help="the folder of an export")
    bring.add_argument("--as", help="application/environment, instead of the name that it had")
    bring.add_argument("--organization", help="slug of the organization that will own a new application")
    bring.add_argument("--sha256", help="refuse any archive but the one that the export named so")
    bring.add_argument(
        "--without-data-keys", action="store_true", help="what is sealed need not open any more"
    )
    for verb in (export, bring):
        verb.add_argument(
            "--key-file",
            type=Path,
            metavar="FILE",
            help="32 random bytes in base64, which lock the tenant's data keys",
        )
    return export, bring
