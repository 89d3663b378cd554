"""Operations on derivatives: images that a bucket's presets make of its files."""

from __future__ import annotations

from pathlib import PurePath
from uuid import UUID

from django.db.models import QuerySet

from apps.core.actor import Actor
from apps.core.operations import Risk, operation
from apps.storage import deriving
from apps.storage import serializers as forms
from apps.storage.downloads import REDIRECT_SECONDS, Link, bounded_for, link_to
from apps.storage.finding import find_content, find_file, find_readable
from apps.storage.models import Derivative, File
from apps.storage.presets import recipe_of
from apps.storage.stores.base import Disposition


@operation("files.derivatives", scope="files:read", risk=Risk.READ, output=forms.DerivativeOutput, lists=True)
def list_derivatives(actor: Actor, *, file_id: UUID) -> QuerySet[Derivative]:
    """List what was made of a file and its versions, the newest first. Each is made when it is first asked for.

    One with a `problem` could not be made, and is not tried again before the preset or the file's content changes.
    """
    file = find_file(actor, file_id)
    return Derivative.objects.filter(version__file=file).select_related("version")


@operation(
    "files.derivative",
    scope="files:read",
    risk=Risk.READ,
    input=forms.DerivativeParameters,
    output=forms.LinkOutput,
    publishable=True,
    redirects=True,
)
def get_derivative(actor: Actor, *, file_id: UUID, preset: str, version: int | None = None) -> Link:
    """Get an image as a preset of the bucket makes it: a redirect to a link that is good for five minutes.

    It is made at the first request, once, and is there for whoever may read the file. Every bucket has the preset
    `preview`: a WebP of 320 pixels at most. EXIF and other data are left out, the image is turned upright, colors are
    sRGB, and of an animated image it is the first frame.
    """
    return _link(actor, file_id, preset, version, REDIRECT_SECONDS)


@operation(
    "files.derivative-link",
    scope="files:read",
    risk=Risk.READ,
    input=forms.DerivativeLinkParameters,
    output=forms.LinkOutput,
    publishable=True,
)
def get_derivative_link(
    actor: Actor, *, file_id: UUID, preset: str, version: int | None = None, seconds: int = 3600
) -> Link:
    """Make a link to an image as a preset makes it, for up to a day: what a page needs, as browsers do not follow the
    redirect of another origin with the headers of a call.

    See `files.derivative` and `files.link`. With a publishable key it is good for five minutes at most.
    """
    return _link(actor, file_id, preset, version, bounded_for(actor, seconds))


def _link(actor: Actor, file_id: UUID, preset: str, version: int | None, seconds: int) -> Link:
    file = find_readable(actor, file_id)
    recipe = recipe_of(file.bucket, preset)
    made = deriving.derivative_of(find_content(file, version), preset, recipe)
    shown = Disposition(_name(file, preset, recipe.ending), made.content_type, inline=True)
    return link_to(made.blob, shown, seconds)


def _name(file: File, preset: str, ending: str) -> str:
    """`cat.png` as `cat-thumb.webp`."""
    return f"{PurePath(file.name).stem}-{preset}.{ending}"
