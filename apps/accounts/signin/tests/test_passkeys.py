"""Passkeys: made for one website of one tenant, and good for no other page."""

from __future__ import annotations

import pytest

from apps.accounts.signin.tests.headless import ADA, Answer, FrontEnd, is_in, mails_to, somebody, trail_of
from tests.client import Api
from tests.standins.authenticator import Passkey
from tests.world import PASSWORD, Space, World

_SHAPE = {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "clientExtensionResults": {}}
_CLIENT = {"clientDataJSON": "e30", "userHandle": "AAAA"}
#: What somebody may send instead of a passkey's answer.
JUNK: list[object] = [
    None,
    {},
    [],
    "x",
    {"id": "x"},
    {"response": {"userHandle": "x"}},
    {"response": []},
    _SHAPE,
    {**_SHAPE, "response": 1},
    {
        **_SHAPE,
        "response": {**_CLIENT, "authenticatorData": "AA", "signature": "AA", "attestationObject": "ow"},
    },
    {**_SHAPE, "response": {**_CLIENT, "authenticatorData": 1, "signature": None, "attestationObject": "oA"}},
]
OWN, LOGIN = "account/authenticators/webauthn", "auth/webauthn/login"


def origin_of(space: Space) -> str:
    """The page of the tenant's own host."""
    return f"https://{space.host}"


def add(front: FrontEnd, origin: str = "") -> Passkey:
    """Add a passkey by which its person can sign in alone."""
    front.confirm_it_is_me()
    carried = Passkey(origin or origin_of(front.space))
    options = front.call("GET", f"{OWN}?passwordless")["creation_options"]
    made = front.post(OWN, name="My telephone", credential=carried.create(options))
    assert made.status == 200, made
    return carried


def sign_in(front: FrontEnd, carried: Passkey, origin: str = "") -> Answer:
    """Sign in with the passkey alone."""
    options = front.get(LOGIN)["request_options"]
    return front.post(LOGIN, credential=carried.get(options, origin=origin))


def test_a_passkey_alone_signs_in(world: World) -> None:
    carried = add(somebody(world.acorn))
    front = FrontEnd(world.acorn)
    done = sign_in(front, carried)
    assert (done.status, is_in(front)) == (200, True)
    assert done["methods"][0]["passwordless"] is True
    told = trail_of(world.acorn, done["user"]["id"])
    assert ("users.add_second_factor", "passkey") in told
    assert told[-1] == ("sessions.start", "by passkey")
    assert "Your account at acorn: A passkey was added." in mails_to(ADA)


def test_a_passkey_is_the_second_factor_of_a_password(world: World) -> None:
    carried = add(somebody(world.acorn))
    front = FrontEnd(world.acorn)
    assert front.sign_in().pending == "mfa_authenticate"
    options = front.get("auth/webauthn/authenticate")["request_options"]
    assert front.post("auth/webauthn/authenticate", credential=carried.get(options)).status == 200
    assert is_in(front)


def test_an_answer_is_good_for_one_question(world: World) -> None:
    carried = add(somebody(world.acorn))
    front = FrontEnd(world.acorn)
    answer = carried.get(front.get(LOGIN)["request_options"])
    assert front.post(LOGIN, credential=answer).status == 200
    again = FrontEnd(world.acorn)
    again.get(LOGIN)
    assert again.post(LOGIN, credential=answer).codes == ["incorrect_code"]
    assert FrontEnd(world.acorn).post(LOGIN, credential=answer).codes == ["incorrect_code"]


@pytest.mark.parametrize(
    "page", ["https://evil.example", "https://evil.{host}", "http://{host}.evil.example", "https://localhost"]
)
def test_another_page_cannot_use_it(world: World, page: str) -> None:
    carried = add(somebody(world.acorn))
    refused = sign_in(FrontEnd(world.acorn), carried, page.format(host=world.acorn.host))
    assert refused.codes == ["incorrect_code"]


def test_a_twin_with_the_same_id_is_another_person_at_another_website(world: World) -> None:
    """The passkey names a person whose id birch has too; neither its key nor its website fit there."""
    email = world.acorn.parties["north"].email
    ours = FrontEnd(world.acorn)
    assert ours.by_code(email).status == 200
    ours.confirm_it_is_me(PASSWORD)
    carried = Passkey(origin_of(world.acorn))
    options = ours.call("GET", f"{OWN}?passwordless")["creation_options"]
    assert ours.post(OWN, name="", credential=carried.create(options)).status == 200
    for page in (origin_of(world.acorn), origin_of(world.birch)):
        assert sign_in(FrontEnd(world.birch), carried, page).codes == ["incorrect_code"]
    assert sign_in(FrontEnd(world.acorn), carried).status == 200


def test_a_front_end_that_the_key_names_has_passkeys_of_its_own_website(world: World) -> None:
    page = "https://app.example.com"
    root = Api(world.acorn.root_key)
    minted = root.post(
        "/v1/keys", {"name": "web", "kind": "publishable", "scopes": ["*"], "allowed_origins": [page]}
    )
    assert minted.status == 201, minted
    world_of_page = {"by_key": True, "Origin": page, "Packmule-Key": minted["secret"]}
    front = FrontEnd(world.acorn, **world_of_page)
    assert front.sign_up().status == 200
    carried = add(front, page)
    assert sign_in(FrontEnd(world.acorn, **world_of_page), carried).status == 200
    assert sign_in(FrontEnd(world.acorn), carried).codes == ["incorrect_code"]


def test_a_passkey_is_renamed_and_removed_after_a_proof(world: World) -> None:
    front = somebody(world.acorn)
    add(front)
    (kept,) = [row for row in front.get("account/authenticators").body["data"] if row["type"] == "webauthn"]
    renamed = front.call("PUT", OWN, {"id": kept["id"], "name": "Old telephone"})
    assert renamed["name"] == "Old telephone"
    stranger = somebody(world.acorn, "eve@example.test")
    stranger.confirm_it_is_me()
    assert stranger.call("DELETE", OWN, {"authenticators": [kept["id"]]}).status == 400
    assert front.call("DELETE", OWN, {"authenticators": [kept["id"]]}).status == 200
    assert FrontEnd(world.acorn).sign_in().status == 200
    assert "Your account at acorn: A passkey was removed." in mails_to(ADA)


@pytest.mark.parametrize("credential", JUNK)
def test_what_is_no_passkey_is_refused(world: World, credential: object) -> None:
    stranger = FrontEnd(world.acorn)
    stranger.get(LOGIN)
    assert stranger.post(LOGIN, credential=credential).status == 400
    front = somebody(world.acorn)
    front.confirm_it_is_me()
    front.get(OWN)
    assert front.post(OWN, name="x", credential=credential).status == 400
