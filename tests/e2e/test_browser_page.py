"""The page in a real browser: a real store, the real engine and the whole application over loopback HTTP, seen by Chromium."""

from __future__ import annotations

import asyncio
import base64
import io
import math
import os
import re
import shutil
import socket
import threading
import time
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pytest
import uvicorn
from PIL import Image
from prometheus_client import CollectorRegistry
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from maibo_slo.documents import Catalogue, load
from maibo_slo.engine.evaluate import Engine
from maibo_slo.errors import StoreError
from maibo_slo.service.answers import HELD_BACK
from maibo_slo.service.app import create_app
from maibo_slo.service.questions import Questions
from maibo_slo.service.traces import trace_links
from maibo_slo.store import counts, open_store, segments
from maibo_slo.store.cells import CellKey, insert_cells
from maibo_slo.store.histogram import bin_of

CHROMIUM, CHROMEDRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
HOSTILE = '<script>document.title="owned"</script>/..%2f?a=b&c#d "\'\u202e\U0001f4a5 ' + "w" * 150
DOCUMENTS = """
apiVersion: openslo/v1
kind: Service
metadata: {name: storefront}
spec: {}
---
apiVersion: maibo.dev/v1
kind: Journey
metadata: {name: checkout, displayName: Check out}
spec:
  service: storefront
  threshold: 800ms
  timeout: 1m
  steps: [{name: cart}, {name: payment}]
---
apiVersion: maibo.dev/v1
kind: Journey
metadata: {name: refund}
spec:
  service: storefront
  steps: [{name: ask}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout-works, displayName: Checkout works}
spec:
  description: Checkouts succeed.
  service: storefront
  indicator:
    metadata: {name: checkout-success}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: journey, spec: {journey: checkout, outcome: failure}}}
        total: {metricSource: {type: journey, spec: {journey: checkout}}}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: refund-works, displayName: Refund works}
spec:
  service: storefront
  indicator:
    metadata: {name: refund-success}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: journey, spec: {journey: refund, outcome: failure}}}
        total: {metricSource: {type: journey, spec: {journey: refund}}}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
"""

CONTRASTS = """
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = (element) => {
  for (let e = element; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; }
  return [255, 255, 255, 1];
};
const poor = [];
for (const e of document.querySelectorAll("body *")) {
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!own || e.closest(".vh, title, .sep, .skeleton") || !e.getClientRects().length) continue;
  const style = getComputedStyle(e);
  const ink = parse(e instanceof SVGElement ? style.fill : style.color);
  const [a, b] = [light(ink), light(ground(e))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${e.tagName}.${e.getAttribute("class")} ${e.textContent.trim().slice(0, 30)}`);
}
return poor;
"""


AXE = Path(__file__).parent / "axe/node_modules/axe-core/axe.min.js"
"""`make test` puts it there."""
VIOLATIONS = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"]}).then(({violations}) =>
  done(violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.html.slice(0, 160)).join(" ")}`)));
"""
PAGES = [
    "/",
    "/?q=nothing-like-it",
    "/?from=soon",
    "/journeys/checkout?window=1h",
    "/journeys/checkout?at=2026-01-01T00:00:00Z",
    "/journeys/nobody",
    "/slos/checkout-works",
    "/alerts",
    "/changes",
    "/scaling",
    "/scaleups",
    "/?lang=zh",
]
TEXTS = """
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), texts = [];
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim();
  if (text && !walker.currentNode.parentElement.closest("bdi, code, pre, script, noscript, h1, .readout")) texts.push(text);
}
for (const e of document.querySelectorAll("[aria-label], [title], [placeholder]"))
  for (const name of ["aria-label", "title", "placeholder"]) if (e.getAttribute(name) && !e.closest("bdi")) texts.push(e.getAttribute(name));
return texts;
"""
ENGLISH = re.compile(r"(?:\b[a-z]{2,}\b[ ,;]+){2,}[a-z]{2,}\b", re.IGNORECASE)
"""Three words one after the other."""
UNTRANSLATED = ("It has more series than --otlp-series-limit", "Checkouts succeed", "document.title")
SMALL = """
return [...document.querySelectorAll("header.top a, nav a, .range > a, summary, button, select, input:not([type=hidden]), .sort")]
  .filter((e) => e.getClientRects().length && e.getBoundingClientRect().height < 24)
  .map((e) => `${e.tagName} ${e.textContent.trim()} ${e.getBoundingClientRect().height}`);
"""
"""What a finger may miss, by WCAG 2.2's target size; links within a sentence are as tall as it is."""
TILE = 16
MOST_DIFFERENT = 14.0
"""Of 255, in any tile of 64 x 64 pixels: another rendering of the same glyphs makes some 3, a missing line of text 20 and more."""
FIXED_NOW = 1_900_000_000.0
"""In 2030: what is long past would be let go by the store."""
BASELINES = Path(__file__).parent / "screenshots"
SCREENSHOTS = [
    ("overview", "/?window=1h", 1280, False),
    ("overview-dark", "/?window=1h", 1280, True),
    ("overview-phone", "/?window=1h", 390, False),
    ("journey", "/journeys/checkout?window=1h", 1280, False),
]


class Breakable(Questions):
    """The real questions; the store in front of them can be slow, for as long as it is told to, or down."""

    broken: str | None = None
    slow = False
    asked: tuple[float, ...] = ()

    def journeys(self, **asked):
        self.asked += (asked["now"],)
        until = time.monotonic() + 60
        while self.slow and time.monotonic() < until:
            time.sleep(0.02)
        if self.broken:
            raise StoreError(self.broken)
        return super().journeys(**asked)


class Site:
    """A whole service on a free port of the loopback, with a clock of its own."""

    def __init__(self, folder: Path, name: str, catalogue: Catalogue, *, now: float | None = None) -> None:
        self.now = time.time() if now is None else now
        self.store = open_store(f"chdb://{folder}/store?database={name}")
        self.engine = Engine(self.store, lambda: catalogue, memory_path=folder / f"{name}.json")
        self.questions = Breakable(
            self.store, lambda: catalogue, self.engine, traces=trace_links("https://jaeger.example/trace/{trace_id}")
        )
        self._inserts = 0
        self.start(port=0)

    def start(self, *, port: int) -> None:
        app = create_app(self.questions, registry=CollectorRegistry(), now=lambda: self.now)
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))

        def run() -> None:
            asyncio.run(self._server.serve(sockets=[listener]))
            listener.close()

        self._thread = threading.Thread(target=run)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self._server.started

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=20)

    def close(self) -> None:
        self.stop()
        self.store.close()

    def traffic(
        self,
        journey: str = "checkout",
        *,
        seconds: int = 240,
        each_10_s: int = 50,
        fail_every: int = 0,
        seconds_ago: int = 10,
    ) -> int:
        """Journeys with their steps over the last seconds, as a collector would have counted them; how many journeys."""
        cells: dict[CellKey, int] = {}
        total = 0
        last = int(self.now) // 10 * 10 - seconds_ago
        for t in range(last - seconds, last, 10):
            for i in range(each_10_s):
                duration_us = 40_000 * (1 + (i * 7919 % each_10_s)) ** 0.9
                outcome = "failure" if fail_every and i % fail_every == 0 else "success"
                tier, version = ("vip", "2.4.0") if i % 5 == 0 else ("standard", "2.3.0")
                for step, part in (("", 1.0), ("cart", 0.2), ("payment", 0.7)):
                    key = CellKey(
                        t, journey, step, "prod", "storefront", version, "c1", "eu-1", tier, "", outcome,
                        int(bin_of(int(duration_us * part * 1000))),
                    )  # fmt: skip
                    cells[key] = cells.get(key, 0) + 1
                total += 1
        self._inserts += 1
        token = f"segment-{self._inserts}"
        insert_cells(self.store, cells, token=token)
        minutes = tuple(sorted({key.t // 60 * 60 for key in cells}))
        segments.record(
            self.store,
            segments.SegmentRecord(token, int(self.now * 1000), 10, 0, 3 * total, 3 * total, 0, 0, minutes),
        )
        self.engine.tick(now=self.now)
        return total

    def causes(self, journey: str = "checkout") -> None:
        """What a collector would have noted beside the counts: begins, reasons, traces, skew, a limit that was reached, a sample."""

        def series(step: str = "", outcome: str = "success", version: str = "2.4.0") -> counts.SeriesKey:
            return (journey, step, "prod", "storefront", version, "c1", "eu-1", "vip", "", outcome)

        over: counts.SeriesKey = (journey, *("__overflow__",) * 8, "success")
        t = int(self.now) // 60 * 60 - 180
        batch = counts.Counts(
            series=(series(), series(outcome="failure"), series("payment", "failure"), over),
            cells=np.array([(t, 3, int(bin_of(10**8)), 7)], counts.CELL),
            flow=np.array([(t, 0, 100, 88), (t, 1, 0, 3)], counts.FLOW),
            reasons=[
                counts.ReasonCount(t, 1, "card_declined", 30),
                counts.ReasonCount(t, 2, HOSTILE, 4),
                counts.ReasonCount(t, 2, "__overflow__", 2),
            ],
            exemplars=np.array(
                [
                    ((t + 10 * i) * 10**9, 1 + i % 2, 900 + i, 0, 10**8 * (1 + i), bytes([i]) * 16, b"s" * 8)
                    for i in range(6)
                ]
                + [(t * 10**9, 0, 990, 2, 1_800_000_000, b"\xab" * 16, b"s" * 8)],
                counts.EXEMPLAR,
            ),
            skewed=np.array([(t, 0, 5)], counts.SKEWED),
            sampled=np.array([(t, 0, 90, 9)], counts.SAMPLED),
        )
        counts.insert(self.store, batch, token=f"causes of {journey}")


def differences(one: Image.Image, other: Image.Image) -> np.ndarray:
    """How much tiles differ on average, 0 to 255 a channel: one row for each that both have."""
    height = min(one.height, other.height) // TILE * TILE
    width = min(one.width, other.width) // TILE * TILE
    pixels = [np.asarray(each.crop((0, 0, width, height)), dtype=float) for each in (one, other)]
    apart = np.abs(pixels[0] - pixels[1]).mean(axis=2)
    return apart.reshape(height // TILE, TILE, width // TILE, TILE).mean(axis=(1, 3))


def own_words(text: str) -> bool:
    """Whether it is no word of the pages, but a name, an address, code, or what the engine words itself."""
    return any(each in text for each in UNTRANSLATED)


def required() -> bool:
    return os.environ.get("CI") == "true" or bool(os.environ.get("MAIBO_REQUIRE_BROWSER"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    missing = [program for program in (CHROMIUM, CHROMEDRIVER) if shutil.which(program) is None]
    if missing:
        why = f"{' and '.join(missing)} not found: apt-get install chromium chromium-driver"
        pytest.fail(why) if required() else pytest.skip(why)
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,900",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(executable_path=CHROMEDRIVER))
    driver.set_page_load_timeout(30)
    yield driver
    driver.quit()


@pytest.fixture(autouse=True)
def plain(browser):
    """Each test begins with a wide, light page, scripts on, no cookie and an empty console."""
    look(browser)
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.get("about:blank")
    browser.get_log("browser")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def catalogue(folder):
    (folder / "documents.yaml").write_text(DOCUMENTS)
    return load([folder / "documents.yaml"])


@pytest.fixture(scope="module")
def site(folder, catalogue):
    """A service with a steady checkout that fails one time in ten, and a journey with a hostile name."""
    site = Site(folder, "busy", catalogue)
    site.traffic(seconds=10, each_10_s=1, seconds_ago=12 * 3600)  # not new: the first minutes of a service burn nothing
    site.traffic(fail_every=10)
    site.traffic(HOSTILE, each_10_s=5)
    site.causes()
    yield site
    site.close()


@pytest.fixture(scope="module")
def fixed(folder, catalogue):
    """A service whose clock stands, with counts that are always the same."""
    site = Site(folder, "fixed", catalogue, now=FIXED_NOW)
    site.traffic(seconds=10, each_10_s=1, seconds_ago=12 * 3600)
    site.traffic(seconds=3000, each_10_s=20, fail_every=40, seconds_ago=300)
    site.traffic(each_10_s=30, fail_every=10)
    site.causes()
    yield site
    site.close()


@pytest.fixture
def healthy(site):
    """The same service, mended after the test."""
    began = site.now
    yield site
    site.now = began
    site.questions.broken = None
    site.questions.slow = False


@pytest.fixture
def quiet(folder):
    """A service without documents and without data."""
    site = Site(folder, "quiet", Catalogue())
    yield site
    site.close()


def look(browser, *, width: int = 1280, dark: bool = False) -> None:
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def text_of(browser) -> str:
    """In one step: between finding <main> and reading it, the page may have swapped it."""
    return browser.execute_script("return document.querySelector('main').innerText").replace("\N{NO-BREAK SPACE}", " ")


def state_of(browser) -> str:
    return browser.execute_script("return document.querySelector('main').dataset.state")


def soon(browser, what, *, seconds: float = 60):
    swapped = [StaleElementReferenceException]
    return WebDriverWait(browser, seconds, poll_frequency=0.1, ignored_exceptions=swapped).until(lambda _: what())


def complaints(browser) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser")]


def test_the_overview_shows_journeys_and_slos_and_the_console_stays_empty(browser, site):
    browser.get(site.url)
    assert state_of(browser) == "data"
    text = text_of(browser)
    assert "Check out" in text
    assert "Checkout works" in text
    assert "90.00 %" in text
    assert "Burning fast" in text, (
        "one failure in ten is ten times what a 99 % objective allows, and more than it can bear"
    )
    assert "observed" in text
    assert "of 28d" in text
    soon(browser, lambda: "updated" in browser.find_element(By.ID, "updated").text)
    assert complaints(browser) == []


def test_a_breach_of_the_content_security_policy_would_be_seen(browser, site):
    browser.get(site.url)
    browser.execute_script("document.querySelector('main').setAttribute('style', 'color: red')")
    assert any("Content Security Policy" in each for each in complaints(browser))


def test_a_reader_goes_from_the_overview_to_a_journey_a_part_and_its_slo_and_back(browser, site):
    browser.get(site.url)
    browser.find_element(By.LINK_TEXT, "Check out").click()
    soon(browser, lambda: "/journeys/checkout" in browser.current_url)
    whole = text_of(browser)
    assert "How long it takes" in whole
    assert "P99" in whole
    assert "payment" in whole
    assert "vip" in whole
    title = browser.find_element(By.ID, "distribution-words").get_attribute("textContent")
    assert "1200 events" in title
    assert "ended within the threshold" in title

    browser.find_element(By.LINK_TEXT, "vip").click()
    soon(browser, lambda: "tier=vip" in browser.current_url)
    title = browser.find_element(By.ID, "distribution-words").get_attribute("textContent")
    assert "240 events" in title
    tiles = browser.find_element(By.CLASS_NAME, "tiles").text
    assert "240 events" in tiles, "a choice is for the whole page"
    assert "standard" in text_of(browser), "the other values stay on offer"

    browser.find_element(By.LINK_TEXT, "1h").click()
    soon(browser, lambda: "window=1h" in browser.current_url)
    assert "tier=vip" in browser.current_url, "a longer window keeps the choice"

    browser.find_element(By.LINK_TEXT, "Checkout works").click()
    soon(browser, lambda: "/slos/checkout-works" in browser.current_url)
    assert "Burn rate: 1\u00d7 spends the budget exactly over 28d" in text_of(browser)
    browser.find_element(By.CLASS_NAME, "brand").click()
    soon(browser, lambda: urlsplit(browser.current_url).path == "/")
    assert complaints(browser) == []


def test_the_bad_release_of_a_step_is_found_from_the_journey_and_shown_alone(browser, site):
    browser.get(f"{site.url}/journeys/checkout")
    rows = browser.find_elements(By.CSS_SELECTOR, "tr.version")
    assert [row.text.split()[0] for row in rows] == ["2.3.0", "2.4.0"] * 2, "of both steps, the busiest first"
    assert "fails more than 2.3.0" in rows[3].text, "all failures of the site are of 2.4.0"
    assert "fails more" not in rows[2].text
    rows[3].find_element(By.TAG_NAME, "a").click()
    soon(browser, lambda: "step=payment&version=2.4.0" in browser.current_url)
    assert "step payment version 2.4.0" in browser.find_element(By.CLASS_NAME, "choice").text
    assert "240 events" in browser.find_element(By.CLASS_NAME, "tiles").text
    assert len(browser.find_elements(By.CSS_SELECTOR, "tr.version")) == 4
    browser.find_element(By.LINK_TEXT, "Show all of the journey").click()
    soon(browser, lambda: "step=" not in browser.current_url)
    assert complaints(browser) == []


def test_why_it_failed_who_left_and_which_traces_to_look_at(browser, site):
    browser.get(f"{site.url}/journeys/checkout")
    text = text_of(browser)
    funnel = browser.find_element(By.CLASS_NAME, "funnel").text.replace("\N{NO-BREAK SPACE}", " ")
    for said in ("100 started", "88 succeeded", "3 failed", "9 abandoned", "9 of them silently", "0 under way"):
        assert said in funnel
    for doubt in ("5 events ended before they started", "7 events are counted as (over the limit)", "from a sample"):
        assert doubt in text
    reasons = [row.text for row in browser.find_elements(By.CSS_SELECTOR, ".reasons tbody tr")]
    assert reasons[0].startswith("card_declined")
    assert reasons[1].startswith("<script>document.title"), "text, and nothing else"
    assert reasons[2].startswith("(other reasons)")
    assert browser.title != "owned"
    links = browser.find_elements(By.CSS_SELECTOR, ".traces a.trace")
    assert len(links) == 7
    assert links[0].get_attribute("href") == f"https://jaeger.example/trace/{'05' * 16}", "the newest"
    assert links[-1].get_attribute("href") == f"https://jaeger.example/trace/{'ab' * 16}", "slow, not failed"

    browser.find_element(By.LINK_TEXT, "payment").click()
    soon(browser, lambda: "step=payment" in browser.current_url)
    assert len(browser.find_elements(By.CSS_SELECTOR, ".traces tbody tr")) == 3
    assert [row.text.split()[0] for row in browser.find_elements(By.CSS_SELECTOR, ".reasons tbody tr")][1:] == [
        "(other"
    ]
    assert browser.find_elements(By.CLASS_NAME, "funnel") == [], "a journey begins as a whole"
    assert complaints(browser) == []


def test_the_threshold_stands_where_the_axis_says_it_is(browser, site):
    browser.get(f"{site.url}/journeys/checkout")
    at = browser.execute_script(
        """
        const at = (selector, say) => Object.fromEntries([...document.querySelectorAll(selector)].map((e) => [say(e), parseFloat(e.getAttribute(e.tagName === 'text' ? 'x' : 'x1'))]));
        return [at('[aria-labelledby=distribution-words] .axis text', (e) => e.textContent), parseFloat(document.querySelector('.marker.threshold line').getAttribute('x1'))];
        """
    )
    ticks, threshold = at
    hundred, second = ticks["100\u00a0ms"], ticks["1\u00a0s"]
    assert threshold == pytest.approx(hundred + (second - hundred) * math.log10(8), abs=0.1)


def test_new_data_is_swapped_in_without_a_reload_and_what_the_reader_opened_stays_open(browser, healthy):
    browser.get(f"{healthy.url}/journeys/checkout")
    browser.execute_script("window.same = true; document.querySelector('#distribution-table summary').click()")
    browser.execute_script("document.querySelector('#distribution-table summary').focus()")
    healthy.now += 30
    healthy.traffic(seconds=20, each_10_s=50, fail_every=10)
    soon(
        browser, lambda: "1300 events" in browser.find_element(By.ID, "distribution-words").get_attribute("textContent")
    )
    assert browser.execute_script("return window.same") is True
    assert browser.find_element(By.ID, "distribution-table").get_attribute("open") is not None
    assert browser.execute_script("return document.activeElement.tagName") == "SUMMARY"
    assert complaints(browser) == []


@pytest.mark.parametrize(
    "path", ["/", "/journeys/checkout", "/slos/checkout-works", "/journeys/nobody", "/changes", "/scaling"]
)
@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_page_scrolls_sideways_on_a_phone(browser, site, path, width):
    look(browser, width=width)
    browser.get(site.url + path)
    needed, there = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert needed <= there == width


@pytest.mark.parametrize("path", ["/", "/journeys/checkout", "/changes"])
def test_a_finger_hits_what_a_phone_shows(browser, site, path):
    look(browser, width=390)
    browser.get(site.url + path)
    assert browser.execute_script(SMALL) == []


@pytest.mark.parametrize("path", ["/", "/journeys/checkout", "/slos/checkout-works"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_has_enough_contrast_in_both_schemes(browser, site, path, dark):
    look(browser, dark=dark)
    browser.get(site.url + path)
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(13, 15, 18)") is dark, "the scheme is really another one"
    assert browser.execute_script(CONTRASTS) == []


def test_without_javascript_the_page_is_complete_and_reloads_itself(browser, site):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(f"{site.url}/journeys/checkout")
    assert state_of(browser) == "data"
    assert "as of" in browser.find_element(By.ID, "updated").text
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg.plot:not(.lane)")) == 3
    assert 'http-equiv="refresh"' in browser.page_source


def test_without_javascript_a_range_is_chosen_by_a_form_and_refreshing_is_stopped_by_a_link(browser, site):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(f"{site.url}/journeys/checkout?tier=vip")
    browser.find_element(By.CSS_SELECTOR, ".custom summary").click()
    browser.find_element(By.CSS_SELECTOR, ".custom button").click()
    soon(browser, lambda: "from=" in browser.current_url)
    assert "tier=vip" in browser.current_url, "a range keeps the choice"
    assert "A moment in the past" in browser.find_element(By.CLASS_NAME, "past").text
    assert 'http-equiv="refresh"' not in browser.page_source
    browser.find_element(By.LINK_TEXT, "Back to now").click()
    soon(browser, lambda: 'http-equiv="refresh"' in browser.page_source)
    browser.find_element(By.ID, "pause").click()
    soon(browser, lambda: "refresh=off" in browser.current_url)
    assert 'http-equiv="refresh"' not in browser.page_source
    browser.find_element(By.LINK_TEXT, "Journeys").click()
    soon(browser, lambda: "/journeys/" not in browser.current_url)
    assert browser.find_element(By.ID, "pause").text == "Resume", "from page to page"


def test_refreshing_is_paused_and_resumed_by_the_keyboard_and_stays_so_in_its_tab(browser, healthy):
    browser.get(f"{healthy.url}/journeys/checkout")
    button = browser.find_element(By.ID, "pause")
    assert button.tag_name == "button"
    browser.execute_script("document.getElementById('pause').focus()")
    button.send_keys(Keys.SPACE)
    assert button.text == "Resume"
    assert browser.find_element(By.ID, "updated").text.startswith("paused")
    browser.get(f"{healthy.url}/")
    assert browser.find_element(By.ID, "pause").text == "Resume"
    asked = len(healthy.questions.asked)
    browser.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
    browser.find_element(By.ID, "pause").click()
    soon(browser, lambda: len(healthy.questions.asked) > asked)
    assert len(healthy.questions.asked) == asked + 1, "nothing was asked for while it was paused, and at once after it"
    assert browser.find_element(By.ID, "pause").text == "Pause"
    assert complaints(browser) == []


def test_what_is_typed_filters_at_once_and_the_address_says_it(browser, site):
    browser.get(site.url)
    typed = browser.find_element(By.ID, "q")
    typed.send_keys("refu")
    soon(browser, lambda: "Check out" not in text_of(browser))
    assert "refund" in text_of(browser)
    assert "Refund works" in text_of(browser)
    assert "Checkout works" not in text_of(browser)
    assert browser.current_url.endswith("?q=refu")
    assert browser.execute_script("return document.activeElement.id") == "q", "whoever types goes on typing"
    typed.send_keys("nd")
    soon(browser, lambda: browser.current_url.endswith("?q=refund"))
    soon(browser, lambda: browser.find_element(By.LINK_TEXT, "Show everything").click() is None)
    soon(browser, lambda: "Check out" in text_of(browser))
    soon(browser, lambda: browser.find_element(By.LINK_TEXT, "P99").click() is None)
    soon(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".journeys th[aria-sort=descending]"))
    assert complaints(browser) == []


def test_a_link_to_a_moment_shows_the_same_numbers_later(browser, healthy):
    healthy.now = (
        math.ceil(healthy.now / 10) * 10
    )  # the running 10 s are not in a link, since more of them comes after it
    browser.get(f"{healthy.url}/journeys/checkout")
    link = browser.find_element(By.ID, "permalink").get_attribute("href")
    browser.get(link)  # its moment has passed: the 10 s that ran then are not in it, at once as later
    title = browser.find_element(By.ID, "distribution-words").get_attribute("textContent")
    assert "events" in title
    healthy.now += 3600
    browser.get(link)
    assert "A moment in the past" in browser.find_element(By.CLASS_NAME, "past").text
    assert browser.find_element(By.ID, "distribution-words").get_attribute("textContent") == title
    assert browser.find_elements(By.ID, "pause") == []
    browser.find_element(By.LINK_TEXT, "Back to now").click()
    soon(browser, lambda: "at=" not in browser.current_url)


def test_charts_of_one_time_share_a_crosshair_and_a_stretch_of_them_is_looked_into(browser, site):
    browser.get(f"{site.url}/journeys/checkout")
    browser.find_element(By.ID, "pause").click()  # a chart that is swapped under the pointer loses it
    chart = browser.find_elements(By.CSS_SELECTOR, "svg.plot[data-begin]")[-1]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    width = chart.size["width"]
    ActionChains(browser).move_to_element(chart).perform()
    count = "return document.querySelectorAll(arguments[0]).length"
    assert browser.execute_script(count, ".crosshair") == browser.execute_script(count, "svg[data-begin]") >= 2
    said = [each.text for each in browser.find_elements(By.CLASS_NAME, "readout") if each.is_displayed()]
    assert any("success" in each for each in said)
    assert any("P99" in each for each in said)
    move = ActionChains(browser).move_to_element(chart).click_and_hold().move_by_offset(int(width / 4), 0)
    move.perform()
    assert browser.execute_script(count, ".brush") >= 2
    ActionChains(browser).release().perform()
    soon(browser, lambda: "from=" in browser.current_url)
    asked = parse_qs(urlsplit(browser.current_url).query)
    begin, end = (datetime.fromisoformat(asked[key][0]) for key in ("from", "to"))
    assert 60 <= (end - begin).total_seconds() <= 90, "a quarter of five minutes"
    assert "A moment in the past" in browser.find_element(By.CLASS_NAME, "past").text
    browser.execute_script("sessionStorage.clear()")
    assert complaints(browser) == []


def test_the_language_is_switched_by_a_link_and_no_english_sentence_is_left(browser, site):
    browser.get(site.url)
    browser.find_element(By.LINK_TEXT, "中文").click()
    soon(browser, lambda: browser.execute_script("return document.documentElement.lang") == "zh-Hans")
    for path in (
        "/",
        "/journeys/checkout?window=1h",
        "/slos/checkout-works",
        "/alerts",
        "/changes",
        "/scaling",
        "/scaleups",
        "/journeys/nobody",
        "/?from=x",
    ):
        browser.get(site.url + path)
        assert browser.execute_script("return document.documentElement.lang") == "zh-Hans", "a cookie remembers it"
        told = [each for each in browser.execute_script(TEXTS) if ENGLISH.search(each) and not own_words(each)]
        assert told == [], path
    browser.find_element(By.LINK_TEXT, "English").click()
    soon(browser, lambda: browser.execute_script("return document.documentElement.lang") == "en")


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_an_accessibility_violation_in_light_dark_or_on_a_phone(browser, site, path):
    axe = AXE.read_text()
    for width, dark in ((1280, False), (1280, True), (390, False)):
        look(browser, width=width, dark=dark)
        browser.get(site.url + path)
        browser.execute_script(axe)
        assert browser.execute_async_script(VIOLATIONS) == [], f"{width} wide, {'dark' if dark else 'light'}"


@pytest.mark.parametrize(("name", "path", "width", "dark"), SCREENSHOTS)
def test_a_page_looks_as_it_did(browser, fixed, name, path, width, dark):
    """A quarter of its size, so that how glyphs are smoothed does not matter; MAIBO_UPDATE_SCREENSHOTS=1 takes it anew."""
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    look(browser, width=width, dark=dark)
    browser.get(fixed.url + path)
    height = int(browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]["height"])
    picture = browser.execute_cdp_cmd(
        "Page.captureScreenshot",
        {
            "format": "png",
            "captureBeyondViewport": True,
            "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
        },
    )
    taken = Image.open(io.BytesIO(base64.b64decode(picture["data"]))).convert("RGB")
    small = taken.resize((taken.width // 4, taken.height // 4), Image.Resampling.BOX)
    kept = BASELINES / f"{name}.png"
    if os.environ.get("MAIBO_UPDATE_SCREENSHOTS"):
        small.quantize(128).save(kept, optimize=True)
    known = Image.open(kept).convert("RGB")
    assert kept.stat().st_size <= 60_000
    assert abs(small.height - known.height) <= 4, "another height: something is missing, or more than was"
    assert np.max(differences(small, known)) <= MOST_DIFFERENT


def test_a_picture_of_another_page_would_be_told_apart():
    overview, dark = (Image.open(BASELINES / f"{name}.png").convert("RGB") for name in ("overview", "overview-dark"))
    assert np.max(differences(overview, dark)) > MOST_DIFFERENT
    moved = Image.new("RGB", overview.size, "white")
    moved.paste(overview, (0, 8))
    assert np.max(differences(overview, moved)) > MOST_DIFFERENT, "a line of text further down"


def test_a_hostile_name_is_text_and_its_link_works(browser, site):
    browser.get(site.url)
    links = browser.find_elements(By.CSS_SELECTOR, ".journeys tbody th a")
    hostile = next(link for link in links if "<script>" in link.text)
    assert unquote(urlsplit(hostile.get_attribute("href")).path) == f"/journeys/{HOSTILE}"
    hostile.click()
    soon(browser, lambda: "/journeys/" in browser.current_url)
    assert state_of(browser) == "data"
    assert browser.find_element(By.TAG_NAME, "h1").get_attribute("textContent") == HOSTILE
    assert browser.title != "owned"
    look(browser, width=390)
    needed, there = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert needed <= there
    assert complaints(browser) == []


def test_an_empty_service_says_how_to_send_the_first_journey_and_shows_it_when_it_comes(browser, quiet):
    browser.get(quiet.url)
    assert state_of(browser) == "empty"
    text = text_of(browser)
    assert "maibo.configure(" in text
    assert "http://127.0.0.1:4318" in text
    quiet.traffic("sign-in", seconds=20)
    soon(browser, lambda: state_of(browser) == "data")
    assert "sign-in" in text_of(browser)
    assert complaints(browser) == []


def test_old_data_is_called_stale_and_since_when(browser, healthy):
    healthy.now += 660
    browser.get(healthy.url)
    assert state_of(browser) == "stale"
    assert "No new data since" in text_of(browser)


def test_what_is_said_aloud_is_not_said_again_at_every_swap(browser, healthy):
    healthy.now += 660
    browser.get(healthy.url)
    said = browser.find_element(By.ID, "said")
    soon(browser, lambda: "No new data since" in said.get_attribute("textContent"))
    browser.execute_script(
        """
        window.spoken = 0; window.swapped = 0;
        new MutationObserver(() => { spoken += 1; }).observe(document.getElementById("said"), {childList: true, characterData: true, subtree: true});
        new MutationObserver(() => { swapped += 1; }).observe(document.body, {childList: true});
        """
    )
    soon(browser, lambda: browser.execute_script("return swapped") > 0)
    assert browser.execute_script("return spoken") == 0
    assert (
        browser.execute_script("return document.querySelectorAll('main [role=status], main [role=alert]').length") == 0
    )


def test_a_phone_shows_the_worst_burn_rate_and_the_age_of_the_data(browser, site):
    look(browser, width=390)
    browser.get(site.url)
    row = next(
        each for each in browser.find_elements(By.CSS_SELECTOR, ".slos tbody tr") if "Checkout works" in each.text
    )
    shown = [chip.text for chip in row.find_elements(By.CLASS_NAME, "chip") if chip.is_displayed()]
    assert len(shown) == 1
    assert shown[0].startswith("burn ")
    assert "10\u00d7" in shown[0]
    assert "last minute" in row.text
    assert "last event" in browser.find_element(By.CLASS_NAME, "journeys").text


@pytest.mark.parametrize("path", ["/", "/journeys/checkout"])
def test_why_a_burn_is_held_back_stands_beside_the_slos_name_on_a_phone_and_never_over_it(browser, site, path):
    look(browser, width=390)
    browser.get(site.url + path)
    name, state = browser.execute_script(
        """const row = document.querySelector(".slos tbody tr"), why = document.createElement("span");
        why.className = "sub";
        why.textContent = arguments[0];
        row.querySelector(".state-cell").append(why);
        return [row.querySelector("th"), why].map((each) => each.getBoundingClientRect().toJSON());""",
        max(HELD_BACK.values(), key=len),
    )
    assert name["width"] > 150
    assert name["right"] <= state["left"]


def test_a_slow_store_shows_a_skeleton_first(browser, healthy):
    browser.get(f"{healthy.url}/healthz")
    healthy.questions.slow = True
    # The driver waits for its own window to load, so the page opens in another one that this one looks into.
    browser.execute_script("window.other = window.open('/')")
    looks = "const s = other.document.querySelector('.skeleton'); return s !== null && s.offsetHeight > 0"
    loaded = "const m = other.document.querySelector('main'); return m !== null && m.dataset.state"
    soon(browser, lambda: browser.execute_script(looks))
    assert browser.execute_script(loaded) is False
    healthy.questions.slow = False
    soon(browser, lambda: browser.execute_script(loaded) == "data")
    assert browser.execute_script(looks) is False
    browser.execute_script("other.close()")


def test_a_store_that_is_down_is_told_with_what_to_do_and_the_page_comes_back_by_itself(browser, healthy):
    healthy.questions.broken = "the store clickhouse://<b>prod</b> failed: connection refused"
    browser.get(healthy.url)
    assert state_of(browser) == "error"
    text = text_of(browser)
    assert "The store does not answer" in text
    assert "<b>prod</b>" in text
    assert "What to do" in text
    healthy.questions.broken = None
    soon(browser, lambda: state_of(browser) == "data")


def test_a_service_that_stops_answering_leaves_the_last_numbers_under_a_banner_until_it_is_back(browser, site):
    browser.get(site.url)
    site.stop()
    lost = browser.find_element(By.ID, "lost")
    soon(browser, lost.is_displayed)
    assert "stopped answering" in lost.text
    assert "UTC" in lost.text
    assert "Check out" in text_of(browser)
    site.start(port=site.port)
    soon(browser, lambda: not lost.is_displayed())
