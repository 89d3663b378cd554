"""The product's page in a real browser: what a person sees of photos good and bad."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.person import chromium, require_chromium
from tests.faults.installation import installed
from tests.menugen.demo import SAMPLE, demo, lines, make_ready

pytestmark = pytest.mark.browser
_PATIENCE = 90


class Page:
    """Anna's browser."""

    def __init__(self, driver: WebDriver, site: str) -> None:
        self.driver, self.site = driver, site

    def sign_in(self, email: str, password: str) -> None:
        self.driver.get(f"{self.site}/")
        self.wait_for("[name=email]")
        self.type("[name=email]", email)
        self.type("[name=password]", password)
        self.driver.find_element(By.CSS_SELECTOR, "button[value=login]").click()
        self.wait_for(".menus li")

    def bring(self, photo: Path) -> None:
        self.driver.get("about:blank")
        self.driver.get(f"{self.site}/")
        self.wait_for(".drop")
        self.type("input[type=file]", str(photo))
        self.wait_for(".state")

    def type(self, selector: str, text: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).send_keys(text)

    def wait_for(self, selector: str, text: str = "") -> str:
        """What the element says, once it is shown and says something with `text` in it."""

        def said(driver: WebDriver) -> str:
            found = driver.find_elements(By.CSS_SELECTOR, selector)
            words = found[0].text if found and found[0].is_displayed() else ""
            return (words or " ") if found and text in words else ""

        waiting = WebDriverWait(self.driver, _PATIENCE, ignored_exceptions=[StaleElementReferenceException])
        return str(waiting.until(said))

    def cards(self) -> list[str]:
        """The names of the dishes whose pictures are on the screen."""
        found = self.driver.find_elements(By.CSS_SELECTOR, ".dishes .painted h3")
        return [card.text for card in found]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Anna, signed in at a product that is served on after its demo."""
    require_chromium()
    make_ready()
    with installed() as installation, demo(installation.data) as process:
        said = ""
        for line in lines(process):
            said += line
            if "Ctrl-C stops everything" in line:
                break
        found = re.search(r"in a browser +(http://[^/]+)/#rec_\S+\n +(\S+) +(\S+)", said)
        assert found, said
        with chromium(tmp_path_factory.mktemp("profile")) as driver:
            anna = Page(driver, found[1])
            anna.sign_in(found[2], found[3])
            yield anna


def test_a_photo_becomes_an_illustrated_menu(page: Page) -> None:
    page.bring(SAMPLE)
    page.wait_for(".state", "12 dishes, every one with its picture")
    WebDriverWait(page.driver, _PATIENCE).until(lambda _: len(page.cards()) == 12)
    assert "Risotto ai funghi porcini" in page.cards()


@pytest.mark.menugen
def test_a_photo_on_its_side_becomes_one_too(page: Page, tmp_path: Path) -> None:
    photo = tmp_path / "sideways.jpg"
    Image.open(SAMPLE).rotate(90, expand=True).save(photo, quality=90)
    page.bring(photo)
    page.wait_for(".state", "every one with its picture")


def test_what_is_no_photo_is_said_and_another_can_be_chosen(page: Page, tmp_path: Path) -> None:
    photo = tmp_path / "menu.jpg"
    photo.write_text("Ramen 14.50\n")
    assert "not an image" in refusal(page, photo)
    page.driver.find_element(By.CSS_SELECTOR, ".buttons button").click()
    page.wait_for(".drop")
    assert "menu" in [link.text for link in page.driver.find_elements(By.CSS_SELECTOR, ".menus a")]


def test_a_broken_photo_is_said(page: Page, tmp_path: Path) -> None:
    photo = tmp_path / "broken.jpg"
    photo.write_bytes(SAMPLE.read_bytes()[:20_000])
    assert "damaged or cut off" in refusal(page, photo)


def test_a_blank_page_is_said(page: Page, tmp_path: Path) -> None:
    photo = tmp_path / "blank.jpg"
    Image.new("RGB", (900, 1200), "#f4f1ea").save(photo)
    assert "no text on this photo" in refusal(page, photo)


def test_a_blank_photo_of_40_million_pixels_is_said(page: Page, tmp_path: Path) -> None:
    photo = tmp_path / "large.jpg"
    Image.new("RGB", (8000, 5000), "#f4f1ea").save(photo)
    assert "no text on this photo" in refusal(page, photo)


def refusal(page: Page, photo: Path) -> str:
    """Bring a photo that cannot be read; why, as the page says it."""
    page.bring(photo)
    page.wait_for(".state", "This photo could not be read")
    return page.wait_for(".menu .problem")
