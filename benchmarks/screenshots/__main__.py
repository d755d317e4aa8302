"""Takes the pictures of the pages in docs/images: the demo's shop and its customers, a day of them, seen by Chromium in light and dark.

    make screenshots
    python -m benchmarks.screenshots --to FOLDER --width 390 --lang zh

What is seen is decided by a seed alone (`shop`, `growing`), so a picture changes when a page does; times of day are those of now.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import socket
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import uvicorn
from benchmarks.screenshots import growing, shop
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from maibo_slo.documents import load
from maibo_slo.service.runtime import Runtime, Settings
from maibo_slo.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
TALLEST = 1700
"""Pixels: what is below is cut off."""
COLOURS = 150


def main() -> None:
    parser = argparse.ArgumentParser(description="Takes the pictures of the pages.")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "images", help="folder (%(default)s)")
    parser.add_argument("--width", type=int, default=1280, help="pixels (%(default)s)")
    parser.add_argument("--lang", default="en", help="(%(default)s)")
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (url, paths), chromium(folder) as browser:
        for name, path in paths.items():
            address = f"{url}{path}{'&' if '?' in path else '?'}lang={arguments.lang}"
            for dark in (False, True):
                picture = taken(browser, address, width=arguments.width, dark=dark)
                file = arguments.to / f"{name}{'-dark' if dark else ''}.png"
                reduced(picture).save(file, optimize=True)
                print(f"{file}  {picture.width} x {picture.height}, {file.stat().st_size / 1000:.0f} kB")


def reduced(picture: Image.Image) -> Image.Image:
    """In a palette of which the most frequent colours are exact: one of means tints the ground."""
    colours, inverse, counts = np.unique(
        np.asarray(picture).reshape(-1, 3), axis=0, return_inverse=True, return_counts=True
    )
    means = picture.quantize(256 - COLOURS, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    frequent = colours[np.argsort(counts)[::-1][:COLOURS]].astype(np.int32)
    palette = np.concatenate([frequent, np.array(means, np.int32).reshape(-1, 3)])[:256]
    nearest = [int(((palette - colour) ** 2).sum(axis=1).argmin()) for colour in colours.astype(np.int32)]
    small = Image.fromarray(np.array(nearest, np.uint8)[inverse.ravel()].reshape(picture.height, picture.width), "P")
    small.putpalette(palette.ravel().tolist())
    return small


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The service over a day of the shop: its address, and the path of each picture."""
    (folder / "target.yaml").write_text(growing.TARGET)
    catalogue = load([ROOT / "examples" / "shop", folder / "target.yaml"])
    day = shop.Day(int(time.time()) // 60 * 60)
    with open_store(f"chdb://{folder}/store") as store:
        store.warm_up()
        calls = shop.customers(store, day)
        runtime = Runtime(
            store,
            Settings(store=str(store), data_dir=folder),
            catalogue=catalogue,
            installed=[],
            now=lambda: day.now + 4,
        )
        for _ in range(60):
            if not runtime.engine.tick(now=day.now + 4).pending_minutes:
                break
        runtime.health.report("engine", None)
        shop.people(runtime, day)
        scaleup = growing.scaled(store, day, calls)
        signal = runtime.scaler.tick(day.now + 4).get("shop", "storefront", now=day.now + 4)
        for face in ("keda", "external_metrics"):
            runtime.scaler.served("shop", "storefront", signal.desired_replicas, face)
        story = shop.alerted(store, runtime.questions, day)
        with listening(runtime) as url:
            yield (
                url,
                {
                    "page": "/?window=6h",
                    "journey": "/journeys/checkout?window=6h",
                    "slo": "/slos/checkout-fast?window=6h",
                    "alerts": "/alerts",
                    "alert": f"/alerts/{story}",
                    "changes": "/changes?window=6h",
                    "scaleups": "/scaleups?window=1d",
                    "scaleup": f"/scaleups/{scaleup}",
                    "scaling": "/scaling/shop/storefront?window=6h",
                },
            )


@contextmanager
def listening(runtime: Runtime) -> Iterator[str]:
    """On a port of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(runtime.app(), log_config=None))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()


@contextmanager
def chromium(folder: str) -> Iterator[webdriver.Chrome]:
    """Without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        f"--user-data-dir={folder}/chromium",
    ):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(executable_path="/usr/bin/chromedriver"))
    try:
        yield browser
    finally:
        browser.quit()


def taken(browser: webdriver.Chrome, url: str, *, width: int, dark: bool) -> Image.Image:
    """A whole page, cut off where it is too tall."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(url)
    height = int(browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]["height"])
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, TALLEST), "scale": 1}
    shot = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip}
    )
    return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")


if __name__ == "__main__":
    main()
