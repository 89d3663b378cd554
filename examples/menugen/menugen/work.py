"""What MenuGen's jobs do. Every one of them may be killed anywhere, begun again by somebody else, and changes nothing
twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from menugen.api import Refused
from menugen.pictures import painter
from menugen.reading import Dish, UnreadablePhoto, read
from menugen.task import Cancelled, Task

Handler = Callable[[Task], Any]
Paint = Callable[[Dish], bytes]
MENUS, DISHES = "/v1/collections/menus/records", "/v1/collections/dishes/records"
#: Errors that another attempt would meet just the same.
FINAL = (UnreadablePhoto, Cancelled)
#: The preset of a dish's picture that the page shows.
PRESET = "card"


def handlers(paint: Paint | None = None) -> dict[str, Handler]:
    """What is to be done for each kind of job; `paint` makes a dish's picture."""
    brush = paint or painter().paint
    return {
        "read_menu": read_menu,
        "illustrate_dish": lambda task: illustrate_dish(task, brush),
        "finish_menu": finish_menu,
    }


def read_menu(task: Task) -> dict[str, Any]:
    """Read the photo of a menu, write its dishes down, and have each of them painted. Raises UnreadablePhoto."""
    menu = task.api.get(f"{MENUS}/{task.payload['menu']}")
    task.say(0.1, "Looking at the photo")
    found = task.step("read", lambda: _read(task.api.download(menu["data"]["photo"])))
    task.say(0.7, f"{len(found)} dishes found")
    dishes = _write(task, menu["id"], found)
    _painting(task, menu, len(dishes))
    task.say(0.9, f"{len(dishes)} dishes to paint")
    _have_painted(task, menu["id"], dishes)
    return {"dishes": len(dishes)}


def _painting(task: Task, menu: dict[str, Any], dishes: int) -> None:
    """Say that the dishes are being painted, unless it is past that: a worker that lost its lease may come late."""
    path, news = f"{MENUS}/{menu['id']}", {"status": "painting", "dishes": dishes}
    while menu["data"]["status"] == "reading":
        try:
            menu = task.api.patch(path, {"data": news}, version=menu["version"])
        except Refused as refusal:
            if refusal.status != 412:
                raise
            menu = task.api.get(path)


def _read(photo: bytes) -> list[dict[str, Any]]:
    dishes = read(photo).dishes
    return [{"name": dish.name, "price": dish.price, "prices": list(dish.prices)} for dish in dishes]


def _write(task: Task, menu: str, found: list[dict[str, Any]]) -> list[str]:
    """Write the dishes of a menu; `place` is unique, so that a second time finds those of the first."""
    items = [
        {"do": "upsert", "by": "place", "data": {**dish, "menu": menu, "place": f"{menu} {number:03}"}}
        for number, dish in enumerate(found, start=1)
    ]
    answer = task.api.post(f"{DISHES}/bulk", {"items": items, "atomic": True})
    return [result["record"]["id"] for result in answer["results"]]


def _have_painted(task: Task, menu: str, dishes: list[str]) -> None:
    """One job for each dish, and one that waits for all of them."""
    parent = {"parent": task.job["id"]}
    jobs = [
        {"queue": "dishes", "kind": "illustrate_dish", "payload": {"dish": dish}, "key": dish, **parent}
        for dish in dishes
    ]
    made = task.api.post("/v1/jobs/batch", {"jobs": jobs}, once=task.once("dishes"))["data"]
    last = {"queue": "menus", "kind": "finish_menu", "payload": {"menu": menu}, "key": f"finish {menu}"}
    after = [job["id"] for job in made]
    task.api.post("/v1/jobs", {**last, **parent, "after": after}, once=task.once("finish"))


def illustrate_dish(task: Task, paint: Paint) -> dict[str, Any]:
    """Paint one dish, and put the picture beside it."""
    path = f"{DISHES}/{task.payload['dish']}"
    dish = task.api.get(path)["data"]
    task.say(0.1, f"Painting {dish['name']}")
    picture = task.step("picture", lambda: _painted(task, dish, paint))
    task.api.picture(picture, PRESET)  # made now, so that nobody waits for it later
    task.api.patch(path, {"data": {"picture": picture}})
    return {"picture": picture}


def _painted(task: Task, dish: dict[str, Any], paint: Paint) -> str:
    drawn = paint(Dish(name=dish["name"], price=dish.get("price"), prices=dish["prices"]))
    return task.api.upload("pictures", f"{dish['place']}.jpg", "image/jpeg", drawn)


def finish_menu(task: Task) -> dict[str, Any]:
    """Say that a menu is illustrated, once all of its dishes have a picture."""
    menu = task.payload["menu"]
    dishes = list(task.api.every(DISHES, filter={"menu": menu}, limit=200))
    missing = [dish["data"]["name"] for dish in dishes if "picture" not in dish["data"]]
    if missing:
        raise RuntimeError(f"Without a picture: {', '.join(missing[:5])}")
    task.api.patch(f"{MENUS}/{menu}", {"data": {"status": "illustrated"}})
    told = {"type": "menu.illustrated", "subject": menu, "data": {"dishes": len(dishes)}}
    task.api.post("/v1/events", told, once=task.once("told"))
    return {"dishes": len(dishes)}
