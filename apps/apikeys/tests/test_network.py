"""Where a call comes from."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from apps.apikeys.network import client_address, is_allowed, lies_within, read_network, read_origin


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "client"),
    [
        ("198.51.100.7", "", [], "198.51.100.7"),
        ("198.51.100.7", "10.0.0.1", [], "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", ["10.0.0.0/8"], "203.0.113.9"),
        ("198.51.100.7", "203.0.113.9", ["10.0.0.0/8"], "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, unknown", ["10.0.0.0/8"], "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", ["10.0.0.0/8"], "10.0.0.3"),
        ("::1", "2001:db8::7", ["::1"], "2001:db8::7"),
        ("::ffff:203.0.113.9", "", [], "203.0.113.9"),
        ("203.0.113.9:4711", "", [], "203.0.113.9"),
        ("", "", [], None),
        ("unix:", "203.0.113.9", ["10.0.0.0/8"], None),
    ],
)
def test_the_client_is_the_first_hop_that_nobody_trusts(
    settings: Settings, remote: str, forwarded: str, trusted: list[str], client: str | None
) -> None:
    settings.PACKMULE_TRUSTED_PROXIES = trusted
    meta: dict[str, Any] = {"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": forwarded}

    assert client_address(meta) == client


def test_the_header_in_which_proxies_say_it_is_a_setting(settings: Settings) -> None:
    settings.PACKMULE_TRUSTED_PROXIES = ["10.0.0.1"]
    settings.PACKMULE_ADDRESS_HEADER = "Clientaddress"
    sent = {"HTTP_X_FORWARDED_FOR": "192.0.2.1", "HTTP_CLIENTADDRESS": "203.0.113.9"}
    assert client_address({"REMOTE_ADDR": "10.0.0.1", **sent}) == "203.0.113.9"


def test_a_key_without_networks_is_allowed_from_everywhere() -> None:
    assert is_allowed(None, [])
    assert is_allowed("203.0.113.9", [])


def test_networks_are_compared_within_their_own_family() -> None:
    assert is_allowed("10.1.2.3", ["2001:db8::/32", "10.0.0.0/8"])
    assert not is_allowed("11.1.2.3", ["2001:db8::/32", "10.0.0.0/8"])
    assert not is_allowed(None, ["0.0.0.0/0"])
    assert not is_allowed("2001:db8::1", ["0.0.0.0/0"])


def test_a_network_lies_within_a_wider_one() -> None:
    assert lies_within("10.1.0.0/16", ["192.0.2.0/24", "10.0.0.0/8"])
    assert not lies_within("10.0.0.0/7", ["10.0.0.0/8"])
    assert not lies_within("2001:db8::/64", ["10.0.0.0/8"])


def test_networks_are_kept_in_one_spelling() -> None:
    assert read_network("10.0.0.7") == "10.0.0.7/32"
    assert read_network(" 2001:DB8::/32 ") == "2001:db8::/32"
    for wrong in ("10.0.0.7/8", "10.0.0", "example.com", "10.0.0.0/33", ""):
        with pytest.raises(ValueError):  # noqa: PT011 - any refusal will do
            read_network(wrong)


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://App.Example.com", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_origins_are_kept_as_browsers_send_them(written: str, origin: str) -> None:
    assert read_origin(written) == origin


@pytest.mark.parametrize(
    "wrong",
    [
        "app.example.com", "https://app.example.com/", "https://*.example.com", "https://u@example.com", "null", "*",
        "https://example.com:0", "https://example.com:99999", "https://exa mple.com", "https://", "",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any refusal will do
        read_origin(wrong)
