"""A file that is an image is seen on its page in the admin."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import Request, urlopen

import pytest
from PIL import Image, ImageDraw

from apps.storage.images.tests.pictures import encoded
from tests.browser.conftest import call
from tests.browser.person import Person

pytestmark = pytest.mark.browser


@pytest.fixture
def inside(installation: dict[str, Any], admin: Person) -> Person:
    """The first person, in the environment of a product of theirs."""
    key = installation["console_key"]
    call(installation, "/v1/applications", key, {"slug": "albums", "name": "Albums"})
    made = call(installation, "/v1/applications/albums", key)
    environment = next(one["id"] for one in made["environments"] if one["name"] == "development")
    admin.open(f"/admin/open/{environment}/")
    port = installation["api_url"].rpartition(":")[2]
    person = Person(admin.driver, f"http://development--albums.localhost:{port}", admin.shots)
    person.wait_for(lambda: person.path == "/admin/")
    return person


def painted() -> bytes:
    """A red disc and a bar on nothing."""
    made = Image.new("RGBA", (1200, 800))
    draw = ImageDraw.Draw(made)
    draw.ellipse((300, 100, 900, 700), fill="#c0392b")
    draw.rectangle((0, 640, 1200, 720), fill="#12635c")
    return encoded(made)


def asked(installation: dict[str, Any], path: str, body: Any = None) -> Any:
    """Call the API as the builder in the product's environment; an image is only its type."""
    headers = {
        "Authorization": f"Bearer {installation['console_key']}",
        "Packmule-Environment": "albums/development",
        "Content-Type": "application/json",
    }
    content = None if body is None else json.dumps(body).encode()
    with urlopen(Request(installation["api_url"] + path, content, headers), timeout=20) as answer:
        kind = answer.headers["Content-Type"]
        return kind if kind.startswith("image/") else json.load(answer)


def upload(installation: dict[str, Any], name: str, content: bytes) -> str:
    """Send a file as a client does; returns its id."""
    said = {"bucket": "pictures", "name": name, "content_type": "image/png", "size": len(content)}
    made = asked(installation, "/v1/files", said)
    signed = made["upload"]
    headers = {**signed["headers"], "Content-Type": "application/octet-stream"}
    with urlopen(Request(signed["url"], content, headers, method=signed["method"]), timeout=20):
        asked(installation, f"/v1/files/{made['id']}/complete", {})
    return str(made["id"])


def test_an_image_is_seen_on_its_page(installation: dict[str, Any], inside: Person) -> None:
    presets = {"thumb": {"width": 200, "height": 200, "fit": "cover"}}
    asked(installation, "/v1/buckets", {"name": "pictures", "presets": presets})
    good = upload(installation, "disc.png", painted())
    damaged = upload(installation, "half.png", painted()[:2000])
    assert asked(installation, f"/v1/files/{good}/derivatives/thumb") == "image/webp"
    assert inside.looks_wrong("file-preview", f"/admin/storage/file/{good}/change/") == []
    seen = (
        "const seen = document.querySelector('.pm-picture'); return [seen.naturalWidth, seen.naturalHeight]"
    )
    assert inside.driver.execute_script(seen) == [320, 213]
    assert "thumb" in inside.read()
    inside.driver.execute_script("document.querySelector('.pm-picture').scrollIntoView({block: 'center'})")
    inside.driver.save_screenshot(str(inside.shots / "file-preview-itself.png"))
    assert inside.looks_wrong("file-without-preview", f"/admin/storage/file/{damaged}/change/") == []
    assert "The image is damaged" in inside.read()
