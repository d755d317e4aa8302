"""The page in a real browser: a real store, the real engine and the whole application over loopback HTTP, seen by Chromium."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import socket
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import uvicorn
from prometheus_client import CollectorRegistry
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from maibo_slo.documents import Catalogue, load
from maibo_slo.engine.evaluate import Engine
from maibo_slo.errors import StoreError
from maibo_slo.service.app import create_app
from maibo_slo.service.questions import Questions
from maibo_slo.service.traces import trace_links
from maibo_slo.store import counts, open_store, segments
from maibo_slo.store.cells import CellKey, insert_cells
from maibo_slo.store.histogram import bin_of

if TYPE_CHECKING:
    from pathlib import Path

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


class Breakable(Questions):
    """The real questions; the store in front of them can be slow, for as long as it is told to, or down."""

    broken: str | None = None
    slow = False

    def journeys(self, **asked):
        until = time.monotonic() + 60
        while self.slow and time.monotonic() < until:
            time.sleep(0.02)
        if self.broken:
            raise StoreError(self.broken)
        return super().journeys(**asked)


class Site:
    """A whole service on a free port of the loopback, with a clock of its own."""

    def __init__(self, folder: Path, name: str, catalogue: Catalogue) -> None:
        self.now = time.time()
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
    """Each test begins with a wide, light page, scripts on and an empty console."""
    look(browser)
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


@pytest.mark.parametrize("path", ["/", "/journeys/checkout", "/slos/checkout-works", "/journeys/nobody"])
@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_page_scrolls_sideways_on_a_phone(browser, site, path, width):
    look(browser, width=width)
    browser.get(site.url + path)
    needed, there = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert needed <= there == width


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
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg.plot")) == 3
    assert 'http-equiv="refresh"' in browser.page_source


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
