"""Who came in by hand-off is nobody's account there: they let no program in."""

from __future__ import annotations

from apps.console.handoff.tests.support import Browser
from tests.oauth import Program, device_page
from tests.world import World


def test_a_visitor_from_the_console_approves_no_device(world: World, inside: Browser) -> None:
    cli = Program(world.acorn, "packmule-cli")
    begun = cli.begin("users:read")
    address = f"http://{world.acorn.host}{device_page(begun['user_code'])}"
    for answer in (
        inside.get(address),
        inside.post(address, action="confirm", scopes="users:read"),
        inside.get(
            f"http://{world.acorn.host}{cli.address('users:read', redirect_uri='http://127.0.0.1/callback')}"
        ),
    ):
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/accounts/login/")
    assert cli.poll(begun["device_code"])["error"] == "authorization_pending"


def test_at_home_the_same_person_does(world: World, inside: Browser) -> None:
    begun = Program(world.console, "packmule-cli").begin("users:read")
    assert inside.get(f"http://127.0.0.1{device_page(begun['user_code'])}").status_code == 200
