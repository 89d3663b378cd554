"""Finding views by the first word of a path."""

from __future__ import annotations

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, include, path

from apps.core.dispatch import indexed, set_length


def view(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()


ROOM = [path("things", view, name="list"), path("things/<slug:thing>", view, name="one")]
API = [path("", include(ROOM)), path("others/", include([path("deep", view, name="deep")]))]


@pytest.mark.parametrize(
    ("called", "name"), [("v1/things", "list"), ("v1/things/a", "one"), ("v1/others/deep", "deep")]
)
def test_a_path_is_found_by_its_first_word(called: str, name: str) -> None:
    assert indexed("v1/", API).resolve(called).url_name == name


def test_arguments_arrive() -> None:
    assert indexed("v1/", API).resolve("v1/things/a").kwargs == {"thing": "a"}


@pytest.mark.parametrize(
    "called", ["v1/", "v1/thing", "v1/things/", "v1/things/a/b", "things", "v2/things", ""]
)
def test_what_does_not_fit_is_not_found(called: str) -> None:
    with pytest.raises(Resolver404):
        indexed("v1/", API).resolve(called)


@pytest.mark.parametrize("route", ["<slug:thing>", "<slug:thing>/more", ""])
def test_a_path_without_a_noun_is_refused_at_import(route: str) -> None:
    with pytest.raises(ValueError, match="begins with a noun"):
        indexed("v1/", [path(route, view)])


def test_a_length_that_is_known_is_said_once() -> None:
    response = HttpResponse(b"four")
    set_length(response)
    set_length(response)

    assert response.headers["Content-Length"] == "4"
