"""What leaves the platform goes where the tenant's address says, as long as that is the public internet."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import requests

from apps.core import outbound
from apps.core import outbound_addresses as addresses
from apps.core.outbound import (
    AddressRefused,
    AnswerEncoded,
    AnswerTooLarge,
    AnswerTooSlow,
    OutboundError,
    Unreachable,
    UrlRefused,
    fetch,
    session,
)
from tests.standins.certificates import serving
from tests.standins.outside import Outside, answer, dripping, outside
from tests.standins.smtp import free_port

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
Names = Callable[..., list[str]]


@pytest.fixture
def loopback(settings: Any) -> None:
    """What an unprotected environment may do."""
    settings.PACKMULE_OUTBOUND_LOOPBACK = True


@pytest.fixture
def server() -> Iterator[Outside]:
    pages = {
        "/": answer(b"hello"),
        "/echo": lambda asked, say: answer(asked.body)(asked, say),
        "/away": answer(b"", "302 Found", Location="http://169.254.169.254/latest/meta-data/"),
        "/missing": answer(b"no", "404 Not Found"),
        "/large": answer(b"x" * 5000),
        "/lying": answer(b"x" * 5000, Content_Length=""),
        "/endless": dripping(HEAD + b"\r\n", b"x" * 1000, every=0.0),
        "/chunked": dripping(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b"x" * 1000 + b"\r\n", 0.0
        ),
        "/drip": dripping(HEAD + b"Content-Length: 90000\r\n\r\n", b"x"),
        "/drip-until-closed": dripping(HEAD + b"\r\n", b"x"),
        "/drip-headers": dripping(HEAD, b"X-More: 1\r\n"),
        "/drip-status": dripping(b"HTTP/1.1 2", b"0"),
        "/short": answer(b"x", Content_Length="10"),
        "/no-http": lambda _asked, say: say(b"220 mail.example.com ESMTP\r\n"),
        "/zipped": answer(b"\x1f\x8b", Content_Encoding="gzip"),
    }
    with outside(pages) as made:
        yield made


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Let names stand for addresses: each look-up takes the next of the answers; returns what was looked up."""

    def stand_for(*answers: list[str]) -> list[str]:
        asked: list[str] = []

        def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            asked.append(host)
            found = answers[min(len(asked), len(answers)) - 1]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return stand_for


def test_an_answer_comes_back_whatever_it_is(loopback: None, server: Outside) -> None:
    assert fetch("GET", server.url()).content == b"hello"
    assert fetch("POST", server.url("/echo"), body=b"abc", headers={"X-A": "b"}).content == b"abc"
    assert fetch("GET", server.url("/missing?a=b")).status_code == 404
    asked = server.asked[1]
    assert (asked.method, asked.headers["x-a"], asked.headers["accept-encoding"]) == ("POST", "b", "identity")
    with session() as made:
        assert made.get(server.url()).text == "hello"


def test_the_name_stays_in_host_and_the_address_is_the_one_that_was_looked_at(
    loopback: None, server: Outside, names: Names
) -> None:
    asked = names(["127.0.0.1"])
    fetch("GET", server.url(host="hooks.example.com"))
    assert asked == ["hooks.example.com"]
    assert server.asked[0].headers["host"] == f"hooks.example.com:{server.port}"


def test_a_name_that_changes_its_mind_is_asked_once(loopback: None, server: Outside, names: Names) -> None:
    asked = names(["127.0.0.1"], ["10.0.0.1"])
    assert fetch("GET", server.url(host="rebinding.example.com")).content == b"hello"
    assert len(asked) == 1


def test_a_name_with_one_address_inside_is_refused_wholly(server: Outside, names: Names) -> None:
    names(["93.184.215.14", "127.0.0.1"])
    with pytest.raises(AddressRefused):
        fetch("GET", server.url(host="both.example.com"))
    assert server.asked == []


@pytest.mark.parametrize(
    "suffix", ["localhost", "production--acorn.localhost", "X.LOCALHOST", "a.localhost."]
)
def test_names_below_localhost_are_this_machine(
    loopback: None, server: Outside, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a name server was asked")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    assert fetch("GET", server.url(host=suffix)).content == b"hello"


PRIVATE = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255", "192.0.2.1", "203.0.113.9", "192.88.99.1", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254",
    "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::8.8.8.8",
    "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:53aa::1", "2001:db8::1", "3fff::1", "100::1",
    "5f00::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_the_public_internet_is_refused(address: str, names: Names) -> None:
    assert not addresses.is_public(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused):
        fetch("GET", f"http://{host}:9/")
    names([address])
    with pytest.raises(AddressRefused):
        fetch("GET", "https://innocent.example.com/")


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_the_public_internet_is_not_refused(address: str) -> None:
    assert addresses.is_public(ip_address(address))


ODD = [
    "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "0x7f.1", "127.0.0.1.", "[::ffff:7f00:1]",
    "\uff11\uff12\uff17.0.0.1", "127\u3002\u30020.0.1",
]  # fmt: skip


@pytest.mark.parametrize("host", ODD)
def test_odd_spellings_of_this_machine_get_nowhere(server: Outside, host: str) -> None:
    with pytest.raises(OutboundError):
        fetch("GET", f"http://{host}:{server.port}/")
    assert server.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "file:///etc/passwd", "gopher://127.0.0.1:25/", "//example.com/", "example.com", "",
        "http://", "http:///path", "https://user:secret@example.com/", "http://user@example.com/", "http://[::1",
        "http://exa mple.com/", "http://example.com:99999/", "javascript:alert(1)", "http://.example.com/",
        "unix:///var/run/docker.sock", "data:text/plain,x", "http://a\x00b/",
    ],
)  # fmt: skip
def test_what_is_no_plain_url_is_refused(loopback: None, url: str) -> None:
    with pytest.raises(UrlRefused) as refusal:
        fetch("GET", url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["http://public.example.com\\@127.0.0.1:{}/", "http://127.0.0.1:{}\\@public.example.com/"]
)
def test_a_url_that_two_readers_read_differently_reaches_nothing_inside(server: Outside, url: str) -> None:
    with pytest.raises(OutboundError):
        fetch("GET", url.format(server.port))
    assert server.asked == []


def test_a_redirect_is_an_answer_and_is_not_followed(loopback: None, server: Outside) -> None:
    found = fetch("GET", server.url("/away"))
    assert (found.status_code, found.headers["Location"]) == (302, "http://169.254.169.254/latest/meta-data/")
    with session() as made:
        assert made.get(server.url("/away"), allow_redirects=True).status_code == 302
        assert made.request("POST", server.url("/away"), allow_redirects=True).history == []
    assert [asked.target for asked in server.asked] == ["/away"] * 3


@pytest.mark.parametrize("path", ["/large", "/lying", "/endless", "/chunked"])
def test_a_large_answer_is_not_read_to_its_end(loopback: None, server: Outside, path: str) -> None:
    with pytest.raises(AnswerTooLarge):
        fetch("GET", server.url(path), max_bytes=4999)
    if path in ("/large", "/lying"):
        assert len(fetch("GET", server.url(path), max_bytes=5000).content) == 5000


@pytest.mark.parametrize("path", ["/drip", "/drip-until-closed", "/drip-headers", "/drip-status"])
def test_a_slow_answer_ends_in_time_however_it_is_slow(loopback: None, server: Outside, path: str) -> None:
    with pytest.raises(AnswerTooSlow):
        fetch("GET", server.url(path), seconds=0.4)


def test_a_slow_answer_over_tls_ends_in_time_too(loopback: None, tmp_path: Path) -> None:
    context, authority = serving(tmp_path, "hooks.localhost")
    pages = {"/": dripping(HEAD + b"Content-Length: 90000\r\n\r\n", b"x")}
    with outside(pages, tls=context) as server, session(seconds=0.5) as made, pytest.raises(AnswerTooSlow):
        made.get(server.url(host="hooks.localhost", scheme="https"), verify=str(authority))


def test_a_handshake_that_never_ends_does_not_take_longer(loopback: None) -> None:
    over = threading.Event()

    def drip(listener: socket.socket) -> None:
        talking, _ = listener.accept()
        with talking, contextlib.suppress(OSError):
            talking.sendall(b"\x16\x03\x03\x40\x00")
            while not over.wait(0.02):
                talking.sendall(b"\x02")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        with pytest.raises(AnswerTooSlow):
            fetch("GET", f"https://127.0.0.1:{listener.getsockname()[1]}/", seconds=0.4)
        over.set()


def test_a_name_server_that_takes_its_time_does_not_take_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def never(*_: Any, **__: Any) -> list[Any]:
        over.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    with pytest.raises(AnswerTooSlow):
        fetch("GET", "http://slow.example.com/", seconds=0.3)
    over.set()


def test_what_cannot_be_reached_says_so(loopback: None, server: Outside, names: Names) -> None:
    for path in ("/short", "/no-http"):
        with pytest.raises(Unreachable):
            fetch("GET", server.url(path))
    with pytest.raises(Unreachable):
        fetch("GET", f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(AnswerEncoded):
        fetch("GET", server.url("/zipped"))


def test_a_name_that_is_unknown_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match="stands for no address"):
        fetch("GET", "http://nobody.example.com/")


def test_a_certificate_is_held_against_the_name(loopback: None, tmp_path: Path, names: Names) -> None:
    context, authority = serving(tmp_path, "hooks.example.com")
    names(["127.0.0.1"])
    with outside({"/": answer()}, tls=context) as server, session() as made:
        good, other = (
            server.url(host=host, scheme="https") for host in ("hooks.example.com", "other.example.com")
        )
        assert made.get(good, verify=str(authority)).content == b"hello"
        for url, verify in ((good, True), (other, str(authority))):
            with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
                made.get(url, verify=verify)
        with pytest.raises(OutboundError):
            made.get(good, verify=False)
    assert len(server.asked) == 1


def test_neither_proxies_nor_passwords_come_from_the_environment(
    loopback: None, server: Outside, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert fetch("GET", server.url()).content == b"hello"
    assert "authorization" not in server.asked[0].headers


def test_refusals_are_what_callers_of_requests_expect() -> None:
    for refusal in (UrlRefused, AddressRefused, Unreachable, AnswerTooLarge, AnswerTooSlow, AnswerEncoded):
        assert issubclass(refusal, requests.RequestException)
        assert refusal.code != outbound.OutboundError.code
