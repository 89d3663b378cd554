"""Why a tenant could not be exported or imported."""

from apps.core.problems import Conflict, Problem, ServiceUnavailable


class ArchiveNotWritten(Problem):
    """The export could not be written: the disk is full, or the folder cannot be written to."""

    status, code, title, retryable = 507, "archive_not_written", "The export could not be written", True
    advice = (
        "Make room and export again: contents of files that were written are kept beside it, as ….partial, and not "
        "fetched again. Or remove that, and name a folder elsewhere."
    )


class ArchiveInTheWay(Conflict):
    """Something has the name of the folder that would be written, or another tenant's export to it broke off."""

    code, title = "archive_in_the_way", "There is something in the place of the export"
    advice = "Name another folder, or remove what is there."


class ExportRunning(Conflict):
    """The same tenant is being exported to the same folder at this moment."""

    code, title, retryable = "export_running", "This tenant is being exported there already", True
    advice = "Wait until the other export has ended, or name another folder."


class BytesMissing(Conflict):
    """The store lacks the bytes of a file, or has others than its row says: the export would not be whole."""

    code, title = "bytes_missing", "The bytes of a file are not as its row says"
    advice = (
        "Export again, which goes on where this ended: the file may have been purged meanwhile. When it stays, purge "
        "the file that is named."
    )


class ArchiveInvalid(Problem):
    """The archive is damaged, incomplete, or holds what no export of a tenant has. Nothing of it was kept."""

    status, code, title = 422, "archive_invalid", "This is no whole archive of a tenant"
    advice = "Copy the archive again, or export the tenant again. Nothing was kept."


class ArchiveOfOtherCode(Conflict):
    """The tenant was exported by code with other tables than the code that runs here."""

    code, title = "archive_of_other_code", "The archive was made by another version"
    advice = (
        "Bring the installation that it comes from to the version of this one, or this one to that, run "
        "`manage.py prepare` there, and export again."
    )


class TenantTaken(Conflict):
    """There is a tenant with this name or id already."""

    code, title = "tenant_exists", "There is such a tenant already"
    advice = (
        "Import it under another name with --as; a tenant keeps its id, and is only once in an installation."
    )


class RegistryTaken(Conflict):
    """Rows that the archive brings for the registry are there already. They are never overwritten."""

    code, title = "registry_taken", "The registry has some of these rows already"
    advice = (
        "The archive comes from here, or from a copy of this installation. Rows of others are never replaced."
    )


class ImportRunning(Conflict):
    """The same tenant is being imported at this moment."""

    code, title, retryable = "import_running", "This tenant is being imported already", True
    advice = "Wait until the other import has ended."


class DataKeysLocked(Conflict):
    """The archive carries the tenant's data keys under a key that was not given, or is another one."""

    code, title = "data_keys_locked", "The tenant's data keys are locked"
    advice = "Give the key of the export with --key-file, or import --without-data-keys: what is sealed is lost then."


class NotMovable(Conflict):
    """The console, and tenants that are not as the code that runs here expects, are not exported."""

    code, title = "not_movable", "This tenant is not exported"
    advice = "Run `manage.py tenants check`. To move a whole installation, move its database and its files."


class BytesNotTaken(ServiceUnavailable):
    """The store holds other bytes under a name that the archive uses. Nothing there is ever replaced."""

    code, title, retryable = "bytes_not_taken", "The store has other bytes in this place", False
    advice = "Remove what lies there, if it is left of an older import, and import again."
