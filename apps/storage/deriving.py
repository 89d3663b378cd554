"""Making derivatives: once for each version and preset, at the first request, and forgetting them.

They are a cache. Nobody is charged for them, everybody who may read the file may cause one to be made, and whatever is
lost is made again. What cannot be made is remembered too, so that it is not tried at every request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import BoundedSemaphore

from django.db import transaction

from apps.core import clock
from apps.core.ids import encode, uuid7
from apps.core.problems import ValidationFailed
from apps.storage import blobs, errors, stores
from apps.storage.errors import ImagesBusy, VersionUnknown
from apps.storage.finding import require_open
from apps.storage.images import refusals, running
from apps.storage.images.recipes import Recipe
from apps.storage.models import Bucket, Condemned, Derivative, FileVersion
from apps.storage.sniffing import UNKNOWN
from apps.storage.stores import disk, keys
from apps.tenancy.walls import current_tenant, whole_tenant

#: What is read at most, and lies on this machine's disk meanwhile.
MOST_BYTES = 256 * 2**20
#: How many images one process makes at a time, each with up to a gigabyte, and how many seconds others wait.
_PLACES = BoundedSemaphore(2)
_PATIENCE = 10.0
_PROBLEMS: dict[str, type[ValidationFailed]] = {
    kind.code: kind
    for kind in (errors.NotAnImage, errors.ImageTooLarge, errors.ImageDamaged, errors.ImageTooCostly)
}


def derivative_of(version: FileVersion, preset: str, recipe: Recipe) -> Derivative:
    """What `recipe`, which is that of `preset`, makes of a version that may be handed out; made now if it is not there.

    Raises NotAnImage, ImageTooLarge, ImageDamaged, ImageTooCostly or ImagesBusy, and what reading the store raises.
    """
    with whole_tenant():
        found = _found(version, preset, recipe) or _made(version, preset, recipe)
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


def _found(version: FileVersion, preset: str, recipe: Recipe) -> Derivative | None:
    return Derivative.objects.filter(version=version, preset=preset, recipe=recipe.fingerprint).first()


def _made(version: FileVersion, preset: str, recipe: Recipe) -> Derivative:
    """Make it, or wait for whoever makes it now."""
    new = Derivative(
        id=uuid7(),
        version=version,
        organization_id=version.organization_id,
        preset=preset,
        recipe=recipe.fingerprint,
        content_type=recipe.content_type,
    )
    key = keys.make(current_tenant(), encode("file", version.file_id), new.public_id)
    with _place(), _accounted_for(key), transaction.atomic():
        locked = FileVersion.objects.select_for_update(no_key=True).filter(pk=version.pk).first()
        if locked is None:
            raise VersionUnknown
        require_open(locked)
        found = _found(version, preset, recipe)
        if found is None:
            found = new
            _forget(list(Derivative.objects.filter(version=version, preset=preset)))
            _fill(new, locked, key, recipe)
            new.save(force_insert=True)
        return found


@contextmanager
def _place() -> Iterator[None]:
    """Wait for one of the places. Raises ImagesBusy."""
    if not _PLACES.acquire(timeout=_PATIENCE):
        raise ImagesBusy(retry_after=_PATIENCE)
    try:
        yield
    finally:
        _PLACES.release()


@contextmanager
def _accounted_for(key: str) -> Iterator[None]:
    """Have the bytes under `key` deleted after a while unless all goes well, however this process ends."""
    note = Condemned.objects.create(blob=key, due_at=clock.now() + blobs.LATE)
    yield
    note.delete()


def _fill(made: Derivative, version: FileVersion, key: str, recipe: Recipe) -> None:
    try:
        _require_image(version)
        _draw(made, version, key, recipe)
    except refusals.Refused as refused:
        made.refusal, made.said = refused.code, refused.said[:300]
    except running.Interrupted as interrupted:
        raise ImagesBusy(f"{interrupted} {ImagesBusy.advice}", retry_after=_PATIENCE) from None


def _require_image(version: FileVersion) -> None:
    if not version.content_type.startswith("image/") and version.content_type != UNKNOWN:
        raise refusals.NotAnImage(f"The file is {version.content_type}.")
    if version.size > MOST_BYTES:
        raise refusals.TooLarge(f"It has {version.size} bytes; up to {MOST_BYTES} are read.")


def _draw(made: Derivative, version: FileVersion, key: str, recipe: Recipe) -> None:
    with TemporaryDirectory(prefix="packmule-image-") as folder, disk.refused_when_full():
        source, target = Path(folder, "source"), Path(folder, "target")
        with source.open("wb") as sink:
            for chunk in stores.store().read(version.blob):
                sink.write(chunk)
        drawn = running.draw(source, target, recipe)
        with target.open("rb") as content:
            made.size = stores.store().put(key, content)
    made.blob, made.width, made.height = key, drawn.width, drawn.height
