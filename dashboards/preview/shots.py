"""Pictures of the app's pages, by headless Chromium, small enough to be kept."""

from __future__ import annotations

import base64
import io
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM, CHROMEDRIVER = "chromium", "chromedriver"
LARGEST_BYTES: Final = 250_000
DRAWN_SECONDS: Final = 60
TALL: Final = 6000


@contextmanager
def browser() -> Iterator[Any]:
    """A headless one. RuntimeError where there is none."""
    programs = {name: shutil.which(name) for name in (CHROMIUM, CHROMEDRIVER)}
    if missing := [name for name, path in programs.items() if path is None]:
        raise RuntimeError(f"{' and '.join(missing)} not found: apt-get install chromium chromium-driver")
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = str(programs[CHROMIUM])
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--hide-scrollbars",
            "--allow-file-access-from-files",
            "--lang=en-GB",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(str(programs[CHROMEDRIVER])))
        try:
            yield driver
        finally:
            driver.quit()


def shot(driver: Any, page: Path, board: str, theme: str) -> Image.Image:
    """The whole page. RuntimeError with what the page says when it cannot be drawn."""
    driver.set_window_size(1700, TALL)  # tables draw no rows that nobody sees
    driver.get(f"{page.as_uri()}?board={board}&theme={theme}")
    WebDriverWait(driver, DRAWN_SECONDS).until(lambda found: found.execute_script("return document.body.dataset.drawn"))
    if driver.execute_script("return document.body.dataset.drawn") != "yes":
        raise RuntimeError(f"{board} cannot be drawn: {driver.execute_script('return document.body.innerText')}")
    size = driver.execute_script(
        "const {width, height} = document.querySelector('#dashboard > div').getBoundingClientRect(); return {width, height}"
    )
    taken = driver.execute_cdp_cmd(
        "Page.captureScreenshot",
        {"format": "png", "clip": {"x": 0, "y": 0, **size, "scale": 1}},
    )
    return Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")


def complaints(driver: Any) -> list[str]:
    """What the page's scripts wrote as errors."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def kept(picture: Image.Image, path: Path) -> None:
    """As PNG of at most `LARGEST_BYTES`: as it is, or with as many colours as fit."""
    for colours in (0, 256, 128, 64):
        file = io.BytesIO()
        # Pale areas and small legends keep their colours by the second look at the palette.
        shown = picture.quantize(colours, kmeans=2, dither=Image.Dither.NONE) if colours else picture
        shown.save(file, "PNG", optimize=True)
        if file.tell() <= LARGEST_BYTES:
            break
    path.write_bytes(file.getvalue())
