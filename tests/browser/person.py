"""A person with a real browser: Chromium through Selenium."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.needing import require

CHROMIUM, CHROMEDRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
_FLAGS = (
    "headless=new",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "hide-scrollbars",
)
_LOOKS = (Path(__file__).parent / "looks.js").read_text()
WIDTHS = (1440, 390)
THEMES = ("light", "dark")
_PATIENCE = 10


def require_chromium() -> None:
    """Go on where there is a browser; see needing.require."""
    require(CHROMIUM.exists() and CHROMEDRIVER.exists(), "It needs Debian's chromium and chromium-driver.")


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser with the new, empty profile folder `profile`, closed at the end."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*_FLAGS, f"user-data-dir={profile}", "window-size=1440,900"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(CHROMEDRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


class Person:
    """What somebody does at the admin, and what they see."""

    def __init__(self, driver: webdriver.Chrome, base_url: str, shots: Path) -> None:
        self.driver, self.base_url, self.shots = driver, base_url, shots

    def open(self, path: str) -> None:
        """Type an address."""
        self.driver.get(self.base_url + path)

    def sign_in(self, email: str, password: str) -> None:
        """Sign in, wherever that leads."""
        self.open("/admin/")
        self.send(login=email, password=password)

    def send(self, **fields: str) -> None:
        """Fill the form of the page and send it; the answer is another page."""
        self.send_by(".pm-form button[type=submit]", **fields)

    def send_by(self, button: str, **fields: str) -> None:
        """Fill the form of the page and send it by the button that the CSS selector finds."""
        before = self.driver.find_element(By.TAG_NAME, "html")
        self.fill(**fields)
        self.driver.find_element(By.CSS_SELECTOR, button).click()
        self._wait_for_page_after(before)

    def fill(self, **fields: str) -> None:
        """Type into the fields of those names."""
        for name, value in fields.items():
            self._fill(self.driver.find_element(By.NAME, name), value)

    def follow(self, text: str) -> None:
        """Click the link with that text."""
        before = self.driver.find_element(By.TAG_NAME, "html")
        self.driver.find_element(By.LINK_TEXT, text).click()
        self._wait_for_page_after(before)

    def follow_row(self, title: str) -> None:
        """Click the row of a list of links that has that title."""
        before = self.driver.find_element(By.TAG_NAME, "html")
        self.driver.find_element(By.XPATH, f"//li/a[.//strong[.='{title}']]").click()
        self._wait_for_page_after(before)

    def click(self, selector: str) -> None:
        """Click what the CSS selector finds, once it can be clicked."""
        self.wait_for(lambda: self.find(selector).is_displayed())
        self.find(selector).click()

    def click_to_page(self, selector: str) -> None:
        """Click something that leads to another page."""
        before = self.driver.find_element(By.TAG_NAME, "html")
        self.click(selector)
        self._wait_for_page_after(before)

    def choose(self, selector: str, text: str) -> None:
        """Choose in a selection that leads to another page."""
        before = self.driver.find_element(By.TAG_NAME, "html")
        Select(self.find(selector)).select_by_visible_text(text)
        self._wait_for_page_after(before)

    def do_with_chosen(self, action: str) -> None:
        """Do something with the rows of a list whose boxes are ticked."""
        self.wait_for(lambda: self.find("select[name=action]").is_displayed())
        Select(self.find("select[name=action]")).select_by_visible_text(action)
        self.click_to_page("#changelist-actions button[type=submit]")

    def find(self, selector: str) -> WebElement:
        """The first element that the CSS selector finds."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def read(self, selector: str = "body") -> str:
        """The text that is seen there."""
        return self.find(selector).text

    def find_all(self, selector: str) -> list[WebElement]:
        """All elements that the CSS selector finds."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    @property
    def path(self) -> str:
        """Where the browser is."""
        return self.driver.current_url.removeprefix(self.base_url).partition("?")[0]

    def looks_wrong(self, name: str, path: str, *, mistakes: int = 0) -> list[str]:
        """Look at `path` in both themes and both widths; what is wrong, and `mistakes` expected errors aside."""
        found = []
        if not self.driver.current_url.startswith(self.base_url):
            self.open(path)
        for theme in THEMES:
            self.driver.execute_script(
                "localStorage.setItem('_x_adminTheme', JSON.stringify(arguments[0]))", theme
            )
            for width in WIDTHS:
                self.resize(width)
                self._errors()
                self.open(path)
                self.wait_for(self._is_settled)
                found += [f"{name} {theme} {width}: {one}" for one in self.wrong_here(theme)]
                found += [f"{name} {theme} {width}: {error}" for error in self._errors()[mistakes:]]
                self.driver.save_screenshot(str(self.shots / f"{name}-{theme}-{width}.png"))
        self.resize(WIDTHS[0])
        return found

    def _errors(self) -> list[str]:
        """What the browser complained about since it was asked last."""
        lines: list[dict[str, str]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [line["message"] for line in lines if line["level"] == "SEVERE"]

    def wrong_here(self, theme: str) -> list[str]:
        wrong: list[str] = self.driver.execute_script(_LOOKS)
        is_dark: bool = self.driver.execute_script(
            "return document.documentElement.classList.contains('dark')"
        )
        return wrong if is_dark == (theme == "dark") else [*wrong, f"the theme is not {theme}"]

    def _is_settled(self) -> bool:
        script = (
            "return document.readyState === 'complete' && document.fonts.status === 'loaded'"
            " && !document.querySelector('html[x-cloak]')"
        )
        return bool(self.driver.execute_script(script))

    def wait_for(self, condition: Any) -> None:
        """Wait until `condition` is true. Raises TimeoutException."""
        WebDriverWait(self.driver, _PATIENCE).until(lambda _driver: condition())

    def _wait_for_page_after(self, before: WebElement) -> None:
        def is_gone() -> bool:
            try:
                before.is_enabled()
            except WebDriverException:  # stale, or of a document that is no more
                return True
            return False

        self.wait_for(is_gone)
        self.wait_for(self._is_settled)

    def _fill(self, field: WebElement, value: str) -> None:
        if field.tag_name == "select":
            Select(field).select_by_visible_text(value)
        else:
            field.clear()
            field.send_keys(value)

    def resize(self, width: int) -> None:
        metrics: Mapping[str, Any] = {
            "width": width,
            "height": 900,
            "deviceScaleFactor": 1,
            "mobile": width < 600,
        }
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", dict(metrics))
