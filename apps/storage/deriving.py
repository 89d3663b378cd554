"""Making derivatives: once for each version and preset, at the first request, and forgetting them.

They are a cache. Nobody is charged for them, everybody who may read the file may cause one to be made, and whatever is
lost is made again. What cannot be made is remembered too, so that it is not tried at every request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import transaction

from apps.core import clock
from apps.core.ids import encode, uuid7
from apps.core.problems import ValidationFailed
from apps.storage import blobs, errors, stores, turns
from apps.storage.errors import ImagesBusy, UploadBusy, VersionUnknown
from apps.storage.finding import require_open
from apps.storage.images import refusals, running
from apps.storage.images.recipes import Recipe
from apps.storage.models import Bucket, Condemned, Derivative, File, FileVersion
from apps.storage.sniffing import UNKNOWN
from apps.storage.stores import disk, keys
from apps.storage.stores.absence import Absence
from apps.storage.stores.errors import BlobMissing, StoreUnreachable
from apps.storage.stores.places import Places
from apps.tenancy.walls import current_tenant, whole_tenant

#: What is read at most, and lies on this machine's disk meanwhile.
MOST_BYTES = 256 * 2**20
#: How many images one process makes at a time, each with up to a gigabyte, and how many seconds others wait.
_places = Places(lambda: 2, inside=True)
_PATIENCE = 10.0
#: How many do so or wait for it, since each keeps a thread from everybody's calls; and when others may come again.
_waiting_room = Places(lambda: 5, lambda count: max(1, count - 1))
_SOON = 2.0
#: How many ask the store at a time whether it still has what was made; nobody waits for that.
_asking = Places(lambda: 2, lambda _count: 1)
_absence = Absence()
#: After what time it is drawn and written, or its process is gone.
_OVER_BY_THEN = timedelta(hours=1)
#: Seconds until who waits for somebody else's image looks for it again.
_LOOKED_AGAIN = 0.1
#: After how many seconds the store is asked again whether it still has what was made.
_ASKED_AGAIN = 300
_PROBLEMS: dict[str, type[ValidationFailed]] = {
    kind.code: kind
    for kind in (errors.NotAnImage, errors.ImageTooLarge, errors.ImageDamaged, errors.ImageTooCostly)
}


def derivative_of(version: FileVersion, preset: str, recipe: Recipe) -> Derivative:
    """What `recipe`, which is that of `preset`, makes of a version that may be handed out; made now if it is not there.

    Raises NotAnImage, ImageTooLarge, ImageDamaged, ImageTooCostly or ImagesBusy, and what reading the store raises.
    """
    with whole_tenant():
        found = _at_hand(version, preset, recipe) or _waited_for(version, preset, recipe)
    if found.refusal:
        kind = _PROBLEMS[found.refusal]
        raise kind(f"{found.said} {kind.advice}")
    return found


def keys_of(versions: Sequence[FileVersion]) -> list[str]:
    """Under which keys lies what was made of `versions`."""
    made = Derivative.objects.filter(version__in=versions).exclude(blob="")
    return list(made.values_list("blob", flat=True))


def forget(bucket: Bucket, presets: Sequence[str]) -> None:
    """Delete what `presets` made of the files of `bucket`; needs a transaction."""
    made = Derivative.objects.filter(version__file__bucket=bucket, preset__in=presets)
    while rows := list(made.order_by("id")[: blobs.BATCH]):
        _forget(rows)


def _forget(rows: Sequence[Derivative]) -> None:
    if not rows:
        return
    blobs.condemn(row.blob for row in rows if row.blob)
    Derivative.objects.filter(pk__in=[row.pk for row in rows]).delete()


def _found(
    version: FileVersion, preset: str, recipe: Recipe, lies: Callable[[str], bool]
) -> Derivative | None:
    """What was made before, unless somebody deleted its bytes, as `lies` says: then it is made anew."""
    found = Derivative.objects.filter(version=version, preset=preset, recipe=recipe.fingerprint).first()
    return found if found and (found.refusal or lies(found.blob)) else None


def _at_hand(version: FileVersion, preset: str, recipe: Recipe) -> Derivative | None:
    """The same, found by whoever has no place: it takes one to ask the store, and without one it seems to lie there."""
    tenant = current_tenant().id

    def seems_to_lie(blob: str) -> bool:
        if not _asking.take(tenant):
            return True
        try:
            return _lies(blob)
        finally:
            _asking.give_back(tenant)

    return _found(version, preset, recipe, seems_to_lie)


def _lies(blob: str) -> bool:
    """Whether the store has it; asked again after some minutes, since a page asks for many of them, often.

    A store that does not answer has it: whoever follows the link finds out, and no thread waits for it here.
    """
    if _absence.lasts:
        return True
    try:
        _require_lies(blob, int(clock.now().timestamp() // _ASKED_AGAIN))
    except BlobMissing:
        return False
    except StoreUnreachable:
        _absence.note()
    return True


@lru_cache(maxsize=4096)
def _require_lies(blob: str, _moment: int) -> None:
    # What is raised is not remembered.
    if stores.store().stat(blob) is None:
        raise BlobMissing


def _waited_for(version: FileVersion, preset: str, recipe: Recipe) -> Derivative:
    tenant = current_tenant().id
    if not _waiting_room.take(tenant):
        raise ImagesBusy(retry_after=_SOON)
    try:
        return _made(version, preset, recipe)
    finally:
        _waiting_room.give_back(tenant)


def _made(version: FileVersion, preset: str, recipe: Recipe) -> Derivative:
    """Make it, or have whoever makes it now do so. Who waits holds nothing meanwhile. Raises ImagesBusy."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with _place(until), _alone(version) as mine:
            found = _found(version, preset, recipe, _lies)
            if found is None and mine is not None:
                found = _kept(_drawn(mine, preset, recipe), version)
        if found is not None:
            return found
        time.sleep(_LOOKED_AGAIN)
    raise ImagesBusy(retry_after=_PATIENCE)


@contextmanager
def _place(until: float) -> Iterator[None]:
    """Wait for one of the places, until that moment. Raises ImagesBusy."""
    tenant = current_tenant().id
    if not _places.take(tenant, patience=until - time.monotonic()):
        raise ImagesBusy(retry_after=_PATIENCE)
    try:
        yield
    finally:
        _places.give_back(tenant)


@contextmanager
def _alone(version: FileVersion) -> Iterator[turns.Turn | None]:
    """The turn to read that version while the block runs, None where somebody else has it; see turns.

    A turn that ends too early makes two of an image, of which the one that is written last stays.
    """
    with ExitStack() as held:
        mine = None
        with suppress(UploadBusy):
            mine = held.enter_context(turns.turn(version, patience=0))
        yield mine


@dataclass(frozen=True, slots=True)
class _Drawing:
    """A row that is not written yet, and the note to delete its bytes, where it has any."""

    row: Derivative
    note: Condemned | None = None


def _drawn(mine: turns.Turn, preset: str, recipe: Recipe) -> _Drawing:
    """Draw it and put it into the store, outside of any transaction. Raises ImagesBusy."""
    version = mine.version
    row = Derivative(
        id=uuid7(),
        version=version,
        organization_id=version.organization_id,
        preset=preset,
        recipe=recipe.fingerprint,
        content_type=recipe.content_type,
    )
    try:
        _require_image(version)
        return _Drawing(row, _draw(row, mine, recipe))
    except refusals.Refused as refused:
        row.refusal, row.said = refused.code, refused.said[:300]
        return _Drawing(row)
    except running.Interrupted as interrupted:
        raise ImagesBusy(f"{interrupted} {ImagesBusy.advice}", retry_after=_PATIENCE) from None


def _kept(drawing: _Drawing, version: FileVersion) -> Derivative:
    """Write the row, unless the version is gone or shut by now. Raises VersionUnknown, and as `require_open`."""
    row = drawing.row
    with transaction.atomic():
        # In the order in which everybody locks them, so that a purge waits.
        list(File.objects.select_for_update(of=("self",), no_key=True).filter(pk=version.file_id))
        locked = FileVersion.objects.select_for_update(no_key=True).filter(pk=version.pk).first()
        if locked is None:
            raise VersionUnknown
        require_open(locked)
        _forget(list(Derivative.objects.filter(version=version, preset=row.preset)))
        row.save(force_insert=True)
        if drawing.note is not None:
            drawing.note.delete()
    return row


def _require_image(version: FileVersion) -> None:
    if not version.content_type.startswith("image/") and version.content_type != UNKNOWN:
        raise refusals.NotAnImage(f"The file is {version.content_type}.")
    if version.size > MOST_BYTES:
        raise refusals.TooLarge(f"It has {version.size} bytes; up to {MOST_BYTES} are read.")


def _draw(made: Derivative, mine: turns.Turn, recipe: Recipe) -> Condemned:
    """Draw `made`; returns the note by which its bytes are deleted after a while, however this process ends."""
    version = mine.version
    key = keys.make(current_tenant(), encode("file", version.file_id), made.public_id)
    with TemporaryDirectory(prefix="packmule-image-") as folder, disk.refusing():
        source, target = Path(folder, "source"), Path(folder, "target")
        with source.open("wb") as sink:
            for chunk in turns.heard(stores.store().read(version.blob), mine.go_on):
                sink.write(chunk)
        drawn = running.draw(source, target, recipe, mine.go_on)
        note = Condemned.objects.create(blob=key, due_at=clock.now() + _OVER_BY_THEN)
        with target.open("rb") as content:
            made.size = stores.store().put(key, content)
    made.blob, made.width, made.height = key, drawn.width, drawn.height
    return note
