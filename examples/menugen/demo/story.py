"""What happens in the demo, in its order. Every step says what it proved; the first that cannot ends the story."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

from menugen import backend, settings
from menugen.api import Api, Refused
from menugen.settings import Settings

from demo import past, rival
from demo.installation import Installation
from demo.people import Person, password_of
from demo.processes import Processes, free_site
from demo.telling import Teller, WentWrong, count
from demo.watching import Watch

_ANNA, _BRUNO = "anna@trattoria.example", "bruno@osteria.example"
_WEBHOOK_WITHIN = 30.0


@dataclass
class Told:
    """What came of it."""

    site: str = ""
    menu: str = ""
    #: Why the story ended before its end; empty where it did not.
    problem: str = ""
    seconds: float = 0.0
    kills: int = 0
    #: How many dishes were painted, and how many in its hands, when the worker was killed.
    painted_before: int = 0
    held_then: int = 0
    retries: int = 0
    dishes: list[dict[str, Any]] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """The last line of `DEMO_EXIT=1 make demo`."""
        shown = [{name: dish[name] for name in ("name", "price", "picture")} for dish in self.dishes]
        counted = {"seconds": self.seconds, "kills": self.kills, "retries": self.retries}
        kill = {"painted_before_the_kill": self.painted_before, "in_hand_at_the_kill": self.held_then}
        return {"dishes": shown, **counted, **kill, **({"problem": self.problem} if self.problem else {})}


def tell(teller: Teller, packmule: Installation, processes: Processes, data: Path, photo: Path) -> Told:
    """The whole story, or how far it got."""
    told = Told()
    try:
        _tell(teller, packmule, processes, data / "mail" / backend.MAILS, photo, told)
    except (WentWrong, Refused) as wrong:
        told.problem = str(wrong)
    except Exception as failure:  # noqa: BLE001 - whatever it was, it is told in the same way
        traceback.print_exc()
        told.problem = f"{type(failure).__name__}: {failure}"
    if told.problem:
        teller.say(told.problem)
    told.seconds = teller.seconds
    return told


def _tell(
    teller: Teller, packmule: Installation, processes: Processes, mails: Path, photo: Path, told: Told
) -> None:
    known = _set_up(teller, packmule)
    processes.start("menugen.web")
    told.site, anna = known.site, Person(_ANNA, known, mails)
    _arrive(teller, anna)
    told.menu = _bring(teller, anna, photo)
    watch = _work(teller, processes, anna, told)
    _hear(teller, told)
    _look(teller, anna, told)
    _compare(teller, told, anna, Person(_BRUNO, known, mails))
    _remember(teller, anna, told, watch)


def show(packmule: Installation, told: Told) -> None:
    """Say where to look."""
    pause = " " * 25
    lines = [
        f"The menu, in a browser   {told.site}/#{told.menu}",
        f"{pause}{_ANNA}   {password_of(_ANNA)}",
        f"The same in the admin    {packmule.url_of(backend.HOST)}/admin/",
        f"{pause}{packmule.email}   {packmule.password}",
        "",
        "Ctrl-C stops everything; the data stays.",
    ]
    print("", *lines, sep="\n", flush=True)


def _set_up(teller: Teller, packmule: Installation) -> Settings:
    """Declare the backend twice: the second time nothing is left to do."""
    teller.step("From an empty console to a backend")
    teller.say(f"Packmule {'is up' if packmule.started else 'was up already'} at {packmule.url}")
    try:
        known = settings.load()
        known.url, known.site = packmule.url, free_site(known.site)
    except FileNotFoundError:
        known = Settings(url=packmule.url, site=free_site())
    console = Api(packmule.url, {"Authorization": f"Bearer {packmule.key}"})
    made = backend.set_up(console, known)
    teller.say(f"made: {', '.join(made)}" if made else "everything is there from the last time")
    again = backend.set_up(console, known)
    if again:
        raise WentWrong(f"Declaring the backend twice changed {', '.join(again)}.")
    teller.say("declared a second time: nothing changed")
    return known


def _arrive(teller: Teller, anna: Person) -> None:
    teller.step("Anna comes to MenuGen")
    anna.arrive()
    how = "signed up, with the code from her mail" if anna.is_new else "signed in"
    teller.say(f"{anna.email} {how}: {anna.me['actor']['id']} in {anna.me['organization']['id']}")
    leave = anna.agree()
    teller.say(f"she lets {leave['actor']['name']} act for her ({leave['id']}): {', '.join(leave['scopes'])}")


def _bring(teller: Teller, anna: Person, photo: Path) -> str:
    teller.step(f"She brings {photo.name}")
    menu = anna.bring(photo)
    file = anna.api.get(f"/v1/files/{menu['data']['photo']}")
    teller.say(f"{file['size'] // 1000} kB by signed URL: {file['id']}, sha256 {file['sha256'][:12]}…")
    return str(menu["id"])


def _work(teller: Teller, processes: Processes, anna: Person, told: Told) -> Watch:
    """Have the menu read and painted, and kill the worker in the middle of it."""
    teller.step("A worker reads the menu, and has its dishes painted")
    job = anna.order(told.menu)
    watch = Watch(anna.api, told.menu, job["id"], processes.lost)
    teller.say(f"enqueued by her own session: {job['id']}")
    first = processes.start("demo.clumsy")
    for message in watch.reading():
        teller.say(message)
    _require(watch, "The menu cannot be read")
    watch.painted(third=True)
    _require(watch, "Not every dish could be painted")
    _kill(teller, processes, first, watch, told)
    watch.painted()
    _require(watch, "Not every dish could be painted")
    watch.finish()
    _require(watch, "The menu was not finished")
    failed, lost = watch.mishaps()
    told.retries = len(failed)
    teller.say(f"{len(watch.jobs)} of {len(watch.jobs)} painted: nothing is lost, nothing is there twice")
    teller.say(
        f"{count(told.retries, 'attempt')} failed and went better the next time; {lost} died with the worker"
    )
    for reason in failed:
        teller.row(reason)
    return watch


def _kill(teller: Teller, processes: Processes, worker: Popen[bytes], watch: Watch, told: Told) -> None:
    """Kill a worker in the middle of its work, and start another."""
    processes.kill(worker)
    told.kills += 1
    told.held_then, told.painted_before = watch.in_hand(), watch.count("succeeded")
    held = count(told.held_then, "dish", "dishes")
    teller.step(f"kill -9 {worker.pid}: the worker dies, with {held} in its hands")
    teller.say(f"{told.painted_before} of {len(watch.jobs)} were painted; another worker is started")
    processes.start("menugen.worker")


def _require(watch: Watch, what: str) -> None:
    if watch.problem:
        raise WentWrong(f"{what}: {watch.problem}")


def _hear(teller: Teller, told: Told) -> None:
    """The product is told by a webhook, whose signature it checks itself."""
    teller.step("A signed webhook tells the product")
    ledger, until = settings.home() / "illustrated.jsonl", time.monotonic() + _WEBHOOK_WITHIN
    while time.monotonic() < until:
        if ledger.exists() and told.menu in ledger.read_text():
            teller.say(f"menu.illustrated, about {told.menu}: signature verified")
            return
        time.sleep(0.1)
    raise WentWrong(f"No webhook about {told.menu} came within {_WEBHOOK_WITHIN:.0f} s.")


def _look(teller: Teller, anna: Person, told: Told) -> None:
    """Anna looks at what her page shows: every dish, with its price and its picture."""
    teller.step("The illustrated menu")
    api, wish = anna.api, {"filter": {"menu": told.menu}, "order": "place", "limit": 200}
    found = api.every("/v1/collections/dishes/records", **wish)
    told.dishes = [dish["data"] for dish in found]
    pictures = {dish["picture"] for dish in told.dishes}
    if len(pictures) != len(told.dishes):
        raise WentWrong(f"{len(told.dishes)} dishes have {len(pictures)} pictures.")
    for dish in told.dishes[:8]:
        teller.row(f"{dish['name'][:44]:<46}{dish['price'] or '':>8}   {dish['picture']}")
    if len(told.dishes) > 8:
        teller.row(f"… and {len(told.dishes) - 8} more")
    card = api.picture(told.dishes[0]["picture"], "card")
    teller.say(f"pictures come by signed URL, in the size of a card: {card[:52]}…")


def _compare(teller: Teller, told: Told, anna: Person, bruno: Person) -> None:
    teller.step("Bruno, another customer, looks around")
    bruno.arrive()
    for sentence in rival.sees_nothing(bruno, anna, told.menu, told.dishes[0]["picture"]):
        teller.say(sentence)


def _remember(teller: Teller, anna: Person, told: Told, watch: Watch) -> None:
    teller.step("What happened, who did it, on whose behalf, and what came before the failure")
    for line in past.tell(anna.api, watch, told.menu):
        teller.row(line)
