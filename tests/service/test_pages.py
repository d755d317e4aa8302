"""What the pages say, from hand-made answers: every state, every hostile name, every number without data."""

from __future__ import annotations

import asyncio
import doctest
import math
import re
import time
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import parse_qs, unquote, urlsplit

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from maibo_slo.engine import burning
from maibo_slo.engine.budget import error_budget
from maibo_slo.engine.burn import BURN_WINDOWS, Counts, burn_rate, fast_pairs, slow_pair
from maibo_slo.errors import StoreError
from maibo_slo.reporting.figures import Burnt, BurntPart, BurntStep
from maibo_slo.service.answers import (
    HELD_BACK,
    BurnRate,
    BurnRule,
    CompositePart,
    CorrectedAnswer,
    Evidence,
    Exemplar,
    ExemplarsAnswer,
    HistogramAnswer,
    IngestAnswer,
    JourneyAnswer,
    JourneyFlow,
    JourneysAnswer,
    ObjectiveAnswer,
    Overflow,
    Part,
    PeriodAnswer,
    Point,
    PolicyAnswer,
    ReasonCount,
    Skew,
    SloAnswer,
    SlosAnswer,
    Span,
    StepPart,
)
from maibo_slo.service.changes import Changed
from maibo_slo.service.health import PartHealth
from maibo_slo.service.pages import listing, ranges, routes, shell, units
from maibo_slo.service.pages.causes import funnel
from maibo_slo.service.pages.journey import compared
from maibo_slo.service.pages.page import Page

NOW = 1_800_000_000.0
NAVIGATION = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a/b/../c",
    "..",
    ".",
    "%2e%2e",
    "x?window=1d&name=y#z",
    "{{ 7 * 7 }}",
    "\u202eevil\U0001f4a5",
    "w" * 200,
    " ",
]


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def span(seconds: int = 300) -> Span:
    return Span(begin=at(NOW - seconds), end=at(NOW), seconds=seconds)


def flow(count: int = 100, failures: int = 1) -> dict[str, object]:
    return {
        "count": count,
        "rate_per_second": count / 300,
        "outcomes": {"success": count - failures, "failure": failures} if count else {},
        "success_ratio": (count - failures) / count if count else None,
        "p50_us": 120_000.0 if count else None,
        "p90_us": 250_000.0 if count else None,
        "p99_us": 900_000.0 if count else None,
    }


def step(name: str, count: int = 100, *versions: Part) -> StepPart:
    return StepPart(
        value=name,
        services=["payment"],
        versions=list(versions) or [Part(value="1.0.0", **flow(count))],
        **flow(count),
    )


def journey(name: str = "checkout", *, count: int = 100, age: float | None = 3, **more) -> JourneyAnswer:
    series = [
        Point(at=at(NOW - 300 + i * 10), count=n, rate_per_second=n / 10, outcomes={"success": n} if n else {},
              p99_us=900_000.0 if n else None)
        for i in range(30)
        for n in [count // 30 if i % 3 else 0]
    ]  # fmt: skip
    told = {
        "display_name": name,
        "declared": True,
        "threshold_us": 800_000,
        "within_threshold": count - 5 if count else 0,
        "steps": [step("payment", count)],
        "by": {"tier": [Part(value="vip", **flow(count)), Part(value="", **flow(0))]},
        "series": series,
        "last_event_at": None if age is None else at(NOW - age),
        "age_seconds": age,
    }
    return JourneyAnswer(name=name, **flow(count), **{**told, **more})


def objective(**more) -> ObjectiveAnswer:
    told = {
        "name": "0.99",
        "target": 0.99,
        "good": 990,
        "bad": 10,
        "attainment": 0.99,
        "budget_events": 10.0,
        "budget_remaining": 0.4,
        "budget_remaining_projected": 0.97,
        "burn_rates": [
            BurnRate(window=name, window_seconds=seconds, good=9, bad=1, burn_rate=burn, coverage=1)
            for name, seconds, burn in [("5m", 300, 20.0), ("1h", 3600, 2.0), ("6h", 21_600, None)]
        ],
        "state": "ok",
        "coverage": 0.004,
        "age_seconds": 4.0,
    }
    return ObjectiveAnswer(**{**told, **more})


def began(abandoned: int | None = 95, **more) -> JourneyFlow:
    known = abandoned is not None
    told = {
        "begin": at(NOW - 300),
        "end": at(NOW),
        "started": 4311,
        "succeeded": 3790,
        "failed": 9,
        "abandoned": abandoned,
        "silent": 57 if known else None,
        "in_progress": 417 if known else None,
        "timeout_seconds": 120,
    }
    return JourneyFlow(**{**told, **more})


def exemplar(**more) -> Exemplar:
    told = {
        "at": at(NOW - 20),
        "why": "failed",
        "step": "payment",
        "outcome": "failure",
        "version": "1.5.0",
        "service": "payment",
        "tier": "vip",
        "region": "eu-1",
        "duration_us": 311_907,
        "trace_id": "5b8efff798038103d269b633813fc60c",
        "span_id": "eee19b7ec3c1b174",
        "trace_url": None,
    }
    return Exemplar(**{**told, **more})


def slo(name: str = "checkout-works", *objectives: ObjectiveAnswer, journey: str = "checkout") -> SloAnswer:
    return SloAnswer(
        name=name,
        display_name="",
        description="",
        service="storefront",
        journey=journey,
        window="28d",
        window_seconds=28 * 86_400,
        threshold_us=None,
        objectives=list(objectives) or [objective()],
        evaluated_at=at(NOW),
    )


class Answers:
    """Answers whatever it was made with."""

    def __init__(
        self,
        journeys=(),
        slos=(),
        *,
        counted: int = 100,
        parts=(),
        bars=(),
        error=None,
        seconds=0.0,
        omitted=0,
        chosen=(),
        exemplars=(),
        ingest=None,
        burnt=None,
    ) -> None:
        self.known_burnt = burnt
        self.known, self.known_slos, self.omitted = list(journeys), list(slos), omitted
        self.chosen = list(chosen)
        self.known_exemplars, self.more_ingest = list(exemplars), ingest or {}
        self.counted, self.parts, self.bars, self.error, self.seconds = counted, parts, list(bars), error, seconds
        self.asked: list[dict[str, object]] = []

    def journeys(self, **asked) -> JourneysAnswer:
        self.asked.append(asked)
        time.sleep(self.seconds)
        if self.error:
            raise self.error
        return JourneysAnswer(
            now=at(NOW), window=span(asked["end"] - asked["begin"]), journeys=self.known, omitted=self.omitted
        )

    def journey(self, name, **asked) -> JourneyAnswer | None:
        """What was made for this choice, else the journey itself."""
        self.asked.append(asked)
        choice = ({"step": asked["step"]} if asked["step"] else {}) | {k: v[0] for k, v in asked["where"].items()}
        known = [each for made_for, each in self.chosen if made_for == choice] + self.known
        return next((each for each in known if each.name == name), None)

    def journey_and_histogram(self, name, **asked) -> tuple[JourneyAnswer, HistogramAnswer] | None:
        found = self.journey(name, **asked)
        return found and (found, self.histogram(name, **asked))

    def histogram(self, name, **asked) -> HistogramAnswer:
        count = sum(sum(bar.outcomes.values()) for bar in self.bars)
        quantiles = dict.fromkeys(("p50_us", "p90_us", "p99_us"), 120_000.0 if count else None)
        return HistogramAnswer(
            now=at(NOW), window=span(asked["end"] - asked["begin"]), journey=name, step=asked["step"], threshold_us=800_000,
            count=count, bars=self.bars, within_threshold=count, **quantiles,
        )  # fmt: skip

    def exemplars(self, name, **asked) -> ExemplarsAnswer:
        self.asked.append(asked)
        return ExemplarsAnswer(
            now=at(NOW), window=span(asked["end"] - asked["begin"]), journey=name, step=asked["step"],
            exemplars=self.known_exemplars,
        )  # fmt: skip

    def slos(self, now, **then) -> SlosAnswer:
        self.then = then
        return SlosAnswer(now=at(NOW), slos=self.known_slos)

    def slos_lately(self, now) -> SlosAnswer:
        return self.slos(now)

    def slos_over(self, journey, now, **then) -> SlosAnswer:
        return self.slos(now, **then)

    def slo(self, name, now, **then) -> SloAnswer | None:
        return next((each for each in self.known_slos if each.name == name), None)

    def burnt(self, name, **asked) -> Burnt | None:
        self.asked.append({"name": name, **asked})
        return self.known_burnt

    def changes(self, begin, end, about, *, now) -> Changed:
        return Changed(begin, end, ())

    def burndowns(self, name, wanted, **asked) -> dict[tuple[str, str], object]:
        return {}

    def ingest(self, now) -> IngestAnswer:
        n = self.counted
        return IngestAnswer(
            now=at(NOW),
            bodies=n,
            duplicate_bodies=0,
            spans=n,
            counted=n,
            ignored=0,
            rejected=0,
            undrained_segments=None,
            **self.more_ingest,
        )

    def health(self):
        return self.parts


class Client:
    """Asks an application in this process; paths reach it as a server would hand them over."""

    def __init__(self, app) -> None:
        self._transport = httpx2.ASGITransport(app=app)

    def get(self, path: str, **options) -> httpx2.Response:
        async def ask() -> httpx2.Response:
            async with httpx2.AsyncClient(transport=self._transport, base_url="http://127.0.0.1") as asking:
                return await asking.get(path, **options)

        return asyncio.run(ask())


def client(answers: Answers, *, endpoint=lambda: "http://127.0.0.1:4318") -> Client:
    return Client(application(answers, endpoint=endpoint))


def application(answers: Answers, *, endpoint=lambda: "http://127.0.0.1:4318") -> FastAPI:
    app = FastAPI()
    app.include_router(routes.router(answers, endpoint=endpoint, clock=lambda: NOW))
    return app


def state(html: str) -> str:
    found = re.search(r'<main id="main" data-state="(\w+)"', html)
    assert found
    return found[1]


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_examples_of_how_numbers_are_written_hold():
    assert doctest.testmod(units).attempted >= 10
    assert doctest.testmod(units).failed == 0


def test_journeys_without_data_show_dashes_and_never_zero_or_nan():
    html = client(Answers([journey(count=0, age=None)], [slo("s", objective(
        good=0, bad=0, attainment=None, budget_remaining=None, budget_remaining_projected=None, burn_rates=[],
        state="no_data", coverage=0, age_seconds=None))])).get("/").text  # fmt: skip
    row = html[html.index("<tbody>") : html.index("</tbody>")]
    assert row.count('title="no data"') == 7, "rate, P50, P90, P99, success and age, this again for phones"
    assert "NaN" not in html
    assert "None" not in html
    assert "0/s</" not in row
    assert "No data" in html
    assert "observed 0\u00a0% of 28d" in html


def test_rates_of_one_column_are_in_one_unit():
    busy, rare = journey("busy", count=3690), journey("rare", count=15)
    html = client(Answers([busy, rare])).get("/").text
    row = html[html.index("<tbody>") : html.index("</tbody>")]
    assert re.findall(r"[\d.]+/(?:s|min|h)(?=<svg)", row.replace("\n", "")) == ["12.3/s", "0.050/s"]
    several = journey("busy", steps=[step("cart", 3690), step("gift", 15)])
    html = client(Answers([several])).get("/journeys/busy").text
    steps = html[html.index('<h2 id="by-1">Steps') :]
    assert re.findall(r'<td class="num">([\d.]+/\w+)<', steps[: steps.index("</table>")]) == ["12.3/s", "0.050/s"]


def test_the_age_of_an_event_and_of_a_minute_have_each_its_name_and_are_explained():
    html = client(Answers([journey()], [slo("s", objective())])).get("/").text
    assert re.search(r'<th scope="col" class="num wide" title="[^"]+10 seconds"><a [^>]+>Last event</a></th>', html)
    assert re.search(r'<th [^>]*title="[^"]+counted by the minute[^"]+"><a [^>]+>Last minute ended</a></th>', html)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (Answers(counted=0), "empty"),
        (Answers([journey(count=0, age=None)]), "empty"),
        (Answers([journey(age=3)]), "data"),
        (Answers([journey(age=300), journey("search", age=3)]), "data"),
        (Answers([journey(age=590)]), "data"),
        (Answers([journey(age=610)]), "stale"),
    ],
)
def test_the_overview_is_empty_fresh_or_stale_by_its_newest_event(answers, expected):
    assert state(client(answers).get("/").text) == expected


def test_the_empty_page_tells_the_three_lines_and_the_endpoint():
    html = client(Answers(counted=0), endpoint=lambda: "http://collector:4318").get("/").text
    for line in (
        "import maibo",
        "maibo.configure(",
        "with maibo.journey(",
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318",
    ):
        assert line in html


def test_the_endpoint_is_asked_for_when_a_page_is_made_since_a_collector_may_announce_it_late():
    announced = ["http://127.0.0.1:4318"]
    asking = client(Answers(counted=0), endpoint=lambda: announced[-1])
    assert "=http://127.0.0.1:4318<" in asking.get("/").text
    announced.append("http://127.0.0.1:50123")
    assert "=http://127.0.0.1:50123<" in asking.get("/").text


def test_spans_that_are_not_tagged_are_told_from_no_spans_at_all():
    assert "none of them is tagged" in client(Answers(counted=7)).get("/").text
    assert "Nothing has arrived" in client(Answers(counted=0)).get("/").text


def test_a_stale_page_says_since_when():
    html = client(Answers([journey(age=700)])).get("/").text
    assert f"No new data since {units.clock(at(NOW - 700))}" in html


def test_a_part_that_does_not_work_is_named():
    answers = Answers([journey()], parts=[PartHealth("otlp", False, "log is <full>"), PartHealth("engine", True, "")])
    html = client(answers).get("/").text
    assert "otlp" in html
    assert "log is &lt;full&gt;" in html
    assert ">engine<" not in html


@pytest.mark.parametrize("headers", [{}, NAVIGATION], ids=["fetch", "navigation"])
def test_a_store_that_is_down_is_a_503_that_says_what_to_do(headers):
    answer = client(Answers(error=StoreError("cannot reach clickhouse://<x>"))).get("/", headers=headers)
    assert answer.status_code == 503
    assert state(answer.text) == "error"
    assert "cannot reach clickhouse://&lt;x&gt;" in answer.text
    assert "What to do" in answer.text


def test_an_error_that_nobody_foresaw_is_a_500_that_tells_no_secrets(caplog):
    answer = client(Answers(error=ValueError("password=hunter2"))).get("/")
    assert answer.status_code == 500
    assert "ValueError" in answer.text
    assert "hunter2" not in answer.text
    assert "hunter2" in caplog.text, "the log has it whole"


def test_who_navigates_gets_a_skeleton_while_the_store_is_slow_and_a_fetch_gets_one_answer(monkeypatch):
    monkeypatch.setattr(shell, "PATIENCE_SECONDS", 0.02)
    slow = client(Answers([journey()], seconds=0.2))
    streamed = slow.get("/", headers=NAVIGATION).text
    assert streamed.index('class="skeleton"') < streamed.index("<main") < streamed.index("</html>")
    assert 'class="skeleton"' not in slow.get("/").text


@pytest.mark.parametrize("path", ["/journeys/nobody", "/slos/nothing", "/journeys/", "/journeys?name=.."])
def test_what_is_not_there_is_a_404_with_a_way_back(path):
    answer = client(Answers([journey()], [slo()])).get(path)
    assert answer.status_code == 404
    assert state(answer.text) == "missing"
    assert 'href="/"' in answer.text


@pytest.mark.parametrize(("path", "status"), [("/journeys/nobody", 404), ("/", 503)])
def test_what_a_page_does_not_come_to_show_is_never_asked_for(path, status, no_thread_free, monkeypatch):
    beside: list[str] = []
    for name in ("ingest", "slos_lately", "changes", "exemplars"):
        monkeypatch.setattr(Answers, name, lambda *_, name=name, **__: beside.append(name))
    assert client(Answers([journey()], error=StoreError("down"))).get(path).status_code == status
    no_thread_free()
    assert beside == []


def test_a_list_without_a_name_leads_to_the_overview():
    answer = client(Answers()).get("/journeys")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(("asked", "seconds"), [("", 300), ("1h", 3600), ("30d", 2_592_000), ("9y", 300), ("<b>", 300)])
def test_the_window_asked_for_is_the_window_shown_and_an_unknown_one_is_five_minutes(asked, seconds):
    answers = Answers([journey()])
    html = client(answers).get("/", params={"window": asked}).text
    assert answers.asked[0]["end"] - answers.asked[0]["begin"] == seconds
    current = [attributes for _, attributes in Elements(html).found if attributes.get("aria-current") == "true"]
    assert len(current) == 1
    assert ranges.WINDOWS[parse_qs(urlsplit(current[0]["href"]).query)["window"][0]] == seconds
    assert ("is no window such as" in html) is (asked not in {"", *ranges.WINDOWS})
    assert "<b>”" not in html


def test_no_script_style_or_address_of_others_is_in_any_page():
    answers = Answers([journey()], [slo()], bars=[{"lower_us": 1e5, "upper_us": 1.2e5, "outcomes": {"success": 3}}])
    for path in ("/", "/journeys/checkout", "/slos/checkout-works", "/journeys/nobody"):
        answer = client(answers).get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        for tag, attributes in Elements(answer.text).found:
            assert tag != "style"
            assert tag != "script" or attributes["src"].startswith("/static/page.js?v=")
            assert not any(name == "style" or name.startswith("on") for name in attributes), (tag, attributes)
            for name in ("src", "href"):
                assert not attributes.get(name) or attributes[name].startswith(("/", "#"))


def test_static_files_are_kept_for_good_under_an_address_that_changes_with_them():
    asking = client(Answers())
    for tag, attributes in Elements(asking.get("/").text).found:
        address = attributes.get("href") or attributes.get("src") or ""
        if "/static/" in address:
            answer = asking.get(address)
            assert answer.status_code == 200, tag
            assert "immutable" in answer.headers["cache-control"]
    assert asking.get("/static/../templates/head.html").status_code == 404
    assert asking.get("/static/%2e%2e%2froutes.py").status_code == 404


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_shown_as_it_is_and_its_link_leads_back_to_it(name):
    answers = Answers([journey(name)], [slo(name, journey=name)])
    asking = client(answers)
    html = asking.get("/").text
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert ">49<" not in html
    links = [
        a["href"] for tag, a in Elements(html).found if tag == "a" and a["href"].startswith(("/journeys", "/slos"))
    ]
    assert len(links) == 2
    for link in links:
        segments = urlsplit(link).path.split("/")[1:]
        assert not {"..", "."} & {unquote(segment) for segment in segments}, "browsers fold these away"
        shown = asking.get(link)
        assert shown.status_code == 200, link
        assert state(shown.text) == "data"


def test_any_name_can_be_linked_to():
    answers = Answers()
    asking = client(answers)

    @settings(max_examples=60, deadline=None)
    @given(st.text(max_size=60))
    def linked(name: str) -> None:
        answers.known = [journey(name)]
        found = Elements(asking.get("/").text).found
        link = next(a["href"] for tag, a in found if tag == "a" and a["href"].startswith("/journeys"))
        assert state(asking.get(link).text) == "data"

    linked()


def test_behind_a_prefix_every_link_keeps_it():
    app = FastAPI()
    app.mount("/maibo", application(Answers([journey()], [slo()])))
    html = Client(app).get("/maibo/").text
    local = [a.get("href") or a.get("src") for _, a in Elements(html).found if a.get("href") or a.get("src")]
    assert local
    assert all(address.startswith(("/maibo/", "#")) for address in local)


def test_a_part_of_a_journey_is_chosen_by_its_link_and_let_go_by_the_same_link():
    answers = Answers([journey()])
    asking = client(answers)
    html = asking.get("/journeys/checkout?window=1h").text
    assert 'href="/journeys/checkout?window=1h&amp;tier=vip"' in html
    html = asking.get("/journeys/checkout?window=1h&tier=vip").text
    assert 'href="/journeys/checkout?window=1h" aria-current="true"' in html
    assert "and fits the choice" in html


def test_a_choice_is_for_the_whole_page_and_is_told_at_its_top():
    vip = journey(
        count=40,
        series=[Point(at=at(NOW - 60), count=40, rate_per_second=4, outcomes={"failure": 40}, p99_us=5e6)],
        by={"tier": [Part(value="vip", **flow(40))], "version": [Part(value="2.0.0", **flow(40))]},
    )
    answers = Answers([journey()], chosen=[({"step": "payment", "tier": "vip"}, vip)])
    html = client(answers).get("/journeys/checkout?window=1h&tier=vip&step=payment").text
    top = html[html.index('class="banner quiet choice"') : html.index('class="tiles"')]
    assert re.search("step <strong><bdi>payment</bdi>.*tier <strong><bdi>vip</bdi>", top)
    assert '<a href="/journeys/checkout?window=1h">Show all of the journey</a>' in top
    tiles = html[html.index('class="tiles"') : html.index('id="distribution-title"')]
    assert "40 events" in tiles
    assert html.count('class="column"') == 2, "the one slice, in both charts over time"
    assert "40 failure</title>" in html
    assert ">2.0.0</bdi>" in html, "its versions"
    choices = [(asked["step"], asked["where"]) for asked in answers.asked]
    assert choices.count(("payment", {"tier": ["vip"]})) == 2, "the journey with its histogram, and its traces"


def test_the_table_of_what_is_chosen_still_offers_the_other_values():
    tiers = {"tier": [Part(value="vip", **flow(40)), Part(value="standard", **flow(60))]}
    vip = journey(count=40, by={"tier": tiers["tier"][:1]})
    answers = Answers([journey(by=tiers)], chosen=[({"tier": "vip"}, vip)])
    html = client(answers).get("/journeys/checkout?tier=vip").text
    assert 'href="/journeys/checkout?tier=standard"' in html
    assert "60\u00a0% of all" in html


def test_a_choice_that_nothing_fits_is_not_a_journey_that_nobody_took():
    answers = Answers([journey()], chosen=[({"tier": "gold"}, journey(count=0))])
    html = client(answers).get("/journeys/checkout?tier=gold").text
    assert "No event fits that in this window" in html
    assert "Nobody has taken" not in html


BAD_RELEASE = step(
    "charge",
    300,
    Part(value="1.0.0", **{**flow(200, 0), "p99_us": 77_000.0}),
    Part(value="1.1.0", **{**flow(100, 20), "p99_us": 725_000.0}),
)


def test_the_versions_of_a_step_stand_under_it_and_the_bad_release_is_told_from_the_good_one():
    html = client(Answers([journey(steps=[BAD_RELEASE])])).get("/journeys/checkout").text
    rows = re.findall(r'<tr class="version.*?</tr>', html, re.DOTALL)
    assert len(rows) == 2
    good, bad = rows
    assert 'href="/journeys/checkout?step=charge&amp;version=1.1.0"' in bad
    for said in (
        "33\u00a0% of the step",
        "725\u00a0ms",
        "80.00\u00a0%",
        "P99 is 9.4\u00d7 that of 1.0.0, fails more than 1.0.0",
    ):
        assert said in bad
    assert "67\u00a0% of the step" in good
    assert "remark" not in good


def test_a_step_of_one_version_has_no_rows_beneath_it():
    assert '<tr class="version' not in client(Answers([journey()])).get("/journeys/checkout").text


def test_the_table_of_steps_offers_every_version_whichever_is_chosen_and_its_link_lets_it_go():
    only = journey(count=100, steps=[step("charge", 100, BAD_RELEASE.versions[1])])
    choice = {"step": "charge", "version": "1.1.0"}
    html = (
        client(Answers([journey(steps=[BAD_RELEASE])], chosen=[(choice, only)]))
        .get("/journeys/checkout", params=choice)
        .text
    )
    rows = re.findall(r'<tr class="version.*?</tr>', html, re.DOTALL)
    assert [">1.0.0<" in rows[0], ">1.1.0<" in rows[1]] == [True, True]
    assert 'class="version chosen worse"' in rows[1]
    assert 'href="/journeys/checkout" aria-current="true"' in rows[1]


def versions(*told: tuple[str, int, int, float]) -> list[Part]:
    return [Part(value=name, **{**flow(count, bad), "p99_us": p99}) for name, count, bad, p99 in told]


@pytest.mark.parametrize(
    ("told", "worse"),
    [
        ([("a", 500, 0, 1e5), ("b", 500, 0, 1.9e5)], set()),
        ([("a", 500, 0, 1e5), ("b", 500, 0, 2e5)], {"b"}),
        ([("a", 500, 0, 1e5), ("b", 19, 0, 9e5)], set()),
        ([("a", 500, 0, 1e5), ("b", 40, 2, 1e5)], set()),
        ([("a", 500, 0, 1e5), ("b", 40, 3, 1e5)], {"b"}),
        ([("a", 500, 50, 1e5), ("b", 500, 53, 1e5)], set()),
        ([("a", 500, 500, 1e5), ("b", 500, 0, 9e5)], {"a", "b"}),
        ([("a", 500, 0, 9e5)], set()),
    ],
)
def test_a_version_is_called_worse_from_twice_the_p99_or_one_percent_more_failures_and_not_on_a_few_events(told, worse):
    assert {name for name, remark in compared(versions(*told)).items() if remark} == worse


def test_of_very_many_versions_the_busiest_and_the_bad_one_are_shown():
    many = versions(*((f"v{i}", 1000 - i, 0, 1e5) for i in range(30)), ("bad", 100, 0, 9e5))
    html = client(Answers([journey(steps=[step("charge", 300, *many)])])).get("/journeys/checkout").text
    assert ">bad</bdi>" in html
    assert ">v6</bdi>" in html
    assert ">v7</bdi>" not in html
    assert "and 23 more versions" in html


def test_a_value_that_nobody_said_is_named_so_and_can_be_chosen():
    answers = Answers([journey()])
    asking = client(answers)
    assert "(not said)" in asking.get("/journeys/checkout").text
    asking.get("/journeys/checkout?tier=")
    assert answers.asked[-1]["where"] == {"tier": [""]}


def test_objectives_come_worst_first_and_each_state_has_a_word():
    states = ["ok", "no_data", "burning", "exhausted", "stale", "burning_fast"]
    html = client(Answers([journey()], [slo(f"slo-{each}", objective(state=each)) for each in states])).get("/").text
    shown = re.findall(r'href="/slos/slo-(\w+)"', html)
    assert shown == ["exhausted", "burning_fast", "burning", "stale", "no_data", "ok"]
    for word in ("Exhausted", "Burning fast", "Burning", "Stale", "No data", "OK"):
        assert f"</svg>{word}</span>" in html


def test_of_one_state_the_objective_with_the_least_budget_left_comes_first():
    left = {"a": 0.9, "b": -0.2, "c": 0.4, "d": None}
    slos = [slo(f"slo-{name}", objective(state="ok", budget_remaining_projected=each)) for name, each in left.items()]
    html = client(Answers([journey()], slos)).get("/").text
    assert re.findall(r'href="/slos/slo-(\w+)"', html) == ["b", "c", "a", "d"]


def test_the_overview_counts_groups_as_objectives():
    slos = [full_slo(), slo("s", objective(state="ok"))]
    html = client(Answers([journey()], slos)).get("/").text
    tile = html[html.index('<div class="tile span states">') :]
    counted = [int(number) for number in re.findall(r"</svg>(\d+) ", tile[: tile.index("</div>")])]
    assert sum(counted) == sum(len(each.objectives) for each in slos)


def test_a_state_of_a_later_version_is_shown_by_its_name():
    html = client(Answers([journey()], [slo("s", objective(state="paused"))])).get("/").text
    assert "</svg>paused</span>" in html


def test_a_young_slo_leads_with_the_projected_budget_that_its_state_goes_by():
    young = objective(budget_remaining=-5.67, budget_remaining_projected=0.982, coverage=0.00002)
    html = client(Answers([journey()], [slo("s", young)])).get("/").text
    assert '<span class="budget-number">98.2\u00a0%</span>' in html
    assert "observed \u2212567\u00a0% over <0.01\u00a0% of 28d".replace("<", "&lt;") in html
    assert '<rect class="left"' in html
    assert '<rect class="over"' not in html


def test_an_slo_whose_window_is_observed_has_one_number():
    old = objective(budget_remaining=-3.81, budget_remaining_projected=-3.81, coverage=0.97, state="exhausted")
    html = client(Answers([journey()], [slo("s", old)])).get("/").text
    assert '<span class="budget-number bad">\u2212381\u00a0%</span>' in html
    assert "observed 97\u00a0% of 28d" in html
    assert "projected" not in html


def burns(target: float = 0.99, **bad_of: tuple[int, int]) -> list[BurnRate]:
    return [
        BurnRate(
            window=name[1:],
            window_seconds=BURN_WINDOWS[name[1:]],
            good=events - bad,
            bad=bad,
            burn_rate=bad / events / error_budget(target) if events else None,
            coverage=1,
        )
        for name, (bad, events) in bad_of.items()
    ]


def judged(burn_rates: list[BurnRate], **more) -> ObjectiveAnswer:
    """With what the engine's rules say of these burn rates, of an SLO that has had events for a day."""
    counts = {burn.window_seconds: Counts(burn.good, burn.bad, burn.window_seconds // 60) for burn in burn_rates}
    seen = burning.Evidence(0.99, counts, Counts(9_900, 100, 40_320), 28 * 86_400, first_t=int(NOW) - 86_400)
    rules = []
    fast = fast_pairs(28 * 86_400, target=0.99)
    for state, pair in (("burning_fast", fast[0]), ("burning_fast", fast[1]), ("burning", slow_pair())):
        both = [counts.get(seconds, Counts(0, 0, 0)) for seconds in (pair.long_seconds, pair.short_seconds)]
        above = all((burn_rate(each.good, each.bad, target=0.99) or 0) > pair.factor for each in both)
        is_reached = burning.reached(pair, seen, now=NOW)
        names = {seconds: name for name, seconds in BURN_WINDOWS.items()}
        rules.append(
            BurnRule(
                state=state,
                long_window=names[pair.long_seconds],
                short_window=names[pair.short_seconds],
                factor=pair.factor,
                reached=is_reached,
                held_back=above and not is_reached,
                held_back_by=(burning.guard(pair, seen, now=NOW) or "") if above else "",
            )
        )
    return objective(burn_rates=burn_rates, rules=rules, **more)


def tones(burn_rates: list[BurnRate]) -> dict[str, str]:
    html = client(Answers([journey()], [slo("s", judged(burn_rates))])).get("/slos/s").text
    table = html[html.index('class="burns"') : html.index('class="rules"')]
    return dict(re.findall(r'<th scope="row">(\w+)</th>.*?class="burn (\w+)"', table, re.DOTALL))


@pytest.mark.parametrize(
    ("bad_of", "expected"),
    [
        ({"_5m": (20, 100), "_1h": (20, 100)}, {"5m": "bad", "1h": "bad"}),
        ({"_5m": (20, 100), "_1h": (20, 1000)}, {"5m": "good", "1h": "good"}),
        ({"_5m": (0, 100), "_1h": (20, 100)}, {"5m": "good", "1h": "good"}),
        ({"_5m": (2, 10), "_1h": (2, 10)}, {"5m": "good", "1h": "good"}),
        ({"_5m": (0, 9), "_30m": (30, 1000), "_6h": (30, 1000)}, {"5m": "good", "30m": "warn", "6h": "warn"}),
        ({"_5m": (0, 9), "_30m": (2, 100), "_6h": (2, 100)}, {"5m": "good", "30m": "good", "6h": "good"}),
        ({"_30m": (20, 100), "_6h": (20, 100)}, {"30m": "bad", "6h": "bad"}),
        ({"_2h": (50, 100), "_1d": (50, 100), "_3d": (50, 100)}, {"2h": "good", "1d": "good", "3d": "good"}),
        ({"_5m": (0, 0)}, {"5m": "quiet"}),
    ],
)
def test_a_burn_rate_is_coloured_where_the_engine_rule_that_it_belongs_to_is_reached(bad_of, expected):
    assert tones(burns(**bad_of)) == expected


def test_an_ok_for_want_of_bad_events_is_not_called_a_budget_that_lasts():
    few = judged(burns(_5m=(2, 10), _1h=(2, 10)), budget_remaining=-19.0, budget_remaining_projected=0.9)
    asking = client(Answers([journey()], [slo("s", few)]))
    for path in ("/", "/slos/s"):
        html = asking.get(path).text
        assert "oo few bad events to judge" in html
        assert "budget lasts" not in html.replace('class="num">Budget lasts<', "")
    for guard, words in HELD_BACK.items():
        held = few.model_copy(
            update={"rules": [rule.model_copy(update={"held_back_by": guard}) for rule in few.rules if rule.held_back]}
        )
        asking = client(Answers([journey()], [slo("s", held)]))
        assert words in asking.get("/").text
        html = asking.get("/slos/s").text
        few_words = "too few events" if guard in ("too_few", "chance") else "too little observed"
        assert f"OK so far, {few_words}" in html
        assert "yet held back: " in html
        assert words in html or guard == "not_whole"


def test_a_burn_that_too_little_was_observed_of_says_how_much_it_takes():
    young = judged(burns(_5m=(40, 100), _1h=(40, 100)))
    [long] = [each for each in young.burn_rates if each.window == "1h"]
    rates = [each.model_copy(update={"coverage": 0.2}) for each in young.burn_rates]
    rules = [
        rule.model_copy(update={"reached": False, "held_back": True, "held_back_by": "not_whole"})
        for rule in young.rules
        if rule.long_window == "1h"
    ]
    held = young.model_copy(update={"state": "ok", "burn_rates": rates, "rules": rules})
    html = client(Answers([journey()], [slo("s", held)])).get("/slos/s").text.replace("\u00a0", " ")
    needed = math.ceil(60 * rules[0].factor / long.burn_rate)
    assert 12 < needed < 60
    assert f"data of 12 min of the last 1h, and at this burn it takes up to {needed} min" in html
    assert "OK so far, too little observed" in html
    calm = judged(burns(_5m=(0, 10), _1h=(0, 10)))
    html = client(Answers([journey()], [slo("s", calm)])).get("/slos/s").text
    assert "The error budget lasts." in html
    assert "too few" not in html


def test_the_page_of_an_slo_tells_the_rules_in_words():
    html = client(Answers([journey()], [slo("s", judged(burns(_5m=(20, 100), _1h=(20, 100))))])).get("/slos/s").text
    rules = html[html.index('class="rules"') :]
    assert "at least 3 bad events" in rules
    assert re.search("Burning fast</th><td>13\u00d7</td><td>1h and 5m</td><td>.*?reached", rules)
    assert re.search("Burning fast</th><td>5.6\u00d7</td><td>6h and 30m</td><td>no", rules)


def test_a_budget_lasts_no_longer_than_is_known():
    rows = (
        client(Answers([journey()], [slo("s", judged(burns(_5m=(20, 100), _1h=(0, 50), _6h=(0, 0))))]))
        .get("/slos/s")
        .text
    )
    assert "1\u00a0d 9\u00a0h" in rows, "a budget of 28 days lasts 33.6 hours at 20 times the pace"
    assert '<td class="num wide">more than 28d</td>' in rows
    assert "for ever" not in rows


def test_a_phone_keeps_the_worst_burn_rate_and_every_chip_says_what_it_means_in_text():
    html = (
        client(
            Answers(
                [journey()],
                [slo("s", judged(burns(_5m=(0, 9), _30m=(30, 990), _6h=(30, 990), _3d=(40, 99))))],
            )
        )
        .get("/")
        .text
    )
    chips = re.findall(
        r'<span class="chip (.*?)".*?<span class="chip-window">.*?(\w+)</span>.*?<span class="vh"> \((.*?)\)',
        html,
        re.DOTALL,
    )
    assert [(name, kind) for kind, name, _ in chips] == [("5m", "good"), ("6h", "warn worst"), ("3d", "good")]
    assert chips[1][2].startswith("30 bad of 990 in the last 6h; at this pace a whole budget of 28d lasts ")


def test_a_burn_of_days_is_told_with_its_date():
    since = objective(state="burning", first_burning_at=at(NOW - 2 * 86_400))
    assert "since 2027-01-13 " in client(Answers([journey()], [slo("s", since)])).get("/").text


@pytest.mark.parametrize("path", ["/", "/journeys/checkout"])
def test_a_window_that_began_yesterday_is_told_with_its_dates(path):
    asking = client(Answers([journey()]))
    assert "2027-01-14 08:00:00\u00a0UTC to 2027-01-15 08:00:00\u00a0UTC" in asking.get(f"{path}?window=1d").text
    assert "07:55:00\u00a0UTC to 08:00:00\u00a0UTC" in asking.get(path).text
    assert "2027-01-15 0" not in asking.get(path).text.partition("<main")[2]


def test_journeys_beyond_those_that_are_shown_are_counted():
    answers = Answers([journey(f"j{i}") for i in range(100)], omitted=2_913)
    html = client(answers).get("/").text
    assert "\u2026 and 2,913 more, less busy" in html
    assert "<b>3,013</b>" in html
    assert "more, less busy" not in client(Answers([journey()])).get("/").text


def test_who_listens_is_told_outside_of_what_is_swapped():
    for answers in (
        Answers([journey(age=700)]),
        Answers(error=StoreError("down")),
        Answers([journey(count=0, age=None)]),
    ):
        for path in ("/", "/journeys/checkout"):
            html = client(answers).get(path).text
            roles = [attributes.get("role") for _, attributes in Elements(html.partition("<main")[2]).found]
            assert not {"alert", "status"} & set(roles)
            assert '<p id="said" class="vh" role="status">' in html.partition("<main")[0]


def test_fifty_journeys_and_twenty_slos_are_rendered_in_fifty_milliseconds():
    answers = Answers([journey(f"journey-{i}") for i in range(50)], [slo(f"slo-{i}") for i in range(20)])
    made = routes.Pages(answers, shell.Shell(clock=lambda: NOW), endpoint=str)
    page = Page(
        title="maibo",
        base="",
        place="/",
        here=lambda query: "/",
        range=ranges.asked({}, now=NOW),
        asked_at=NOW,
        language="en",
    )
    took = []
    for _ in range(12):
        began = time.process_time()
        made._overview(page, listing.asked({}))
        took.append(time.process_time() - began)
    assert min(took) <= 0.050, (
        "seconds of CPU, the templates already compiled; more on a machine that is busy elsewhere"
    )


def test_yesterday_is_told_with_its_date():
    assert units.moment(at(NOW) - timedelta(days=1), now=at(NOW)).startswith("2027-01-14 ")
    assert "-" not in units.moment(at(NOW), now=at(NOW))


def section(html: str, name: str) -> str:
    """What is between the heading with this id and the section's end."""
    return html[html.index(f'id="{name}"') :].partition("</section>")[0]


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html)).replace("\u00a0", " ")


def test_what_became_of_those_that_began_is_one_line_and_one_bar():
    html = client(Answers([journey(flow=began())])).get("/journeys/checkout").text
    line = words(section(html, "flow-title").partition('class="funnel"')[2])
    assert (
        "4,311 started → 3,790 succeeded 88 % 9 failed &lt;1 % 95 abandoned 2 % · 57 of them silently 417 under way 10 %"
        in line
    )
    bar = [
        float(width) for width in re.findall(r'<rect class="[\w-]+" x="[\d.]+%" width="([\d.]+)%" height="10"', html)
    ]
    assert len(bar) == 4
    assert sum(bar) == pytest.approx(100, abs=0.1)


def test_where_starts_are_not_told_nobody_is_called_abandoned():
    html = client(Answers([journey(flow=began(None))])).get("/journeys/checkout").text
    line = words(section(html, "flow-title"))
    assert "\u2013 started \u2192 3,790 succeeded 9 failed \u2013 abandoned \u2013 under way" in line
    assert "how many were abandoned is not known" in line
    assert 'class="flow-bar"' not in html


@pytest.mark.parametrize("flow_of_it", [None, began(0, started=0, succeeded=0, failed=0, silent=0, in_progress=0)])
def test_a_journey_that_nobody_began_has_no_such_line(flow_of_it):
    assert "flow-title" not in client(Answers([journey(flow=flow_of_it)])).get("/journeys/checkout").text


def test_who_left_silently_is_told_beside_those_who_said_so_and_never_twice():
    said = {**flow(100), "outcomes": {"success": 90, "failure": 3, "abandoned": 7}}
    points = [
        Point(at=at(NOW - 120), count=5, rate_per_second=0.5, outcomes={"success": 4, "abandoned": 1}, p99_us=1e5, silent=3),
        Point(at=at(NOW - 60), count=0, rate_per_second=0, outcomes={}, p99_us=None, silent=2),
    ]  # fmt: skip
    told = journey(flow=began(12, silent=5), series=points).model_copy(update=said)
    answers = Answers([told])
    html = client(answers).get("/journeys/checkout").text
    assert "90 success, 3 failure, 7 abandoned, 5 left silently" in words(html[html.index('class="tiles"') :])
    assert ": 4 success, 1 abandoned, 3 left silently</title>" in html
    assert ": 2 left silently</title>" in html, "a slice in which nothing ended"
    rows = re.findall(r"<tr>(.*?)</tr>", html[html.index('id="series-table"') :].partition("</table>")[0], re.DOTALL)
    assert [re.findall(r'class="num">([^<]*)<', row)[2] for row in rows[1:]] == ["4", "2"]
    overview = client(answers).get("/").text
    assert "90 success, 3 failure, 7 abandoned, 5 left silently</title>" in overview
    assert "12 abandoned" in words(overview)


def test_reasons_are_told_with_where_the_most_frequent_first():
    reasons = [
        ReasonCount(step="payment", reason="TimeoutError", count=3),
        ReasonCount(step="", reason="card_declined", count=40),
        ReasonCount(step="payment", reason="__overflow__", count=7),
        ReasonCount(step="cart", reason="", count=1),
    ]
    html = client(Answers([journey(reasons=reasons)])).get("/journeys/checkout").text
    rows = [words(row).strip() for row in section(html, "reasons-title").partition("<tbody>")[2].split("</tr>")[:4]]
    assert rows == [
        "card_declinedthe whole journey40",
        "(other reasons)payment7",
        "TimeoutErrorpayment3",
        "(no reason given)cart1",
    ]
    assert "reasons-title" not in client(Answers([journey()])).get("/journeys/checkout").text


def test_failed_and_slow_traces_stand_apart_to_copy_or_to_follow():
    slow = exemplar(
        outcome="success", why="slowest", step="", trace_id="ab" * 16, trace_url="https://j/trace/" + "ab" * 16
    )
    both = exemplar(why="over_threshold", trace_id="cd" * 16)
    html = client(Answers([journey()], exemplars=[exemplar(), slow, both])).get("/journeys/checkout").text
    failed, slowest = section(html, "traces-failed"), section(html, "traces-slow")
    assert '<code class="trace"' in failed
    assert ">5b8efff798038103d269b633813fc60c</code>" in failed
    assert ">" + "cd" * 16 in failed, "a failure that was slow too is a failure"
    assert f'href="https://j/trace/{"ab" * 16}" rel="noreferrer"' in slowest
    assert "whole journey" in slowest
    assert "slowest of its kind" in slowest
    assert "312\u00a0ms" in failed


def test_traces_are_asked_for_by_what_is_chosen_and_the_api_has_more_of_them():
    answers = Answers([journey("a/..")], exemplars=[exemplar(trace_id=f"{i:032x}") for i in range(20)])
    html = client(answers).get("/journeys/a%2F..?step=payment&version=1.5.0").text
    asked = answers.asked[-1]
    assert (asked["step"], asked["where"], asked["end"] - asked["begin"]) == ("payment", {"version": ["1.5.0"]}, 300)
    assert section(html, "traces-failed").count('<code class="trace"') == 8
    assert (
        '<a href="/v1/journeys/a%2F%2E%2E/exemplars?window=5m&amp;step=payment&amp;version=1.5.0">12 more by the API</a>'
        in html
    )


def test_what_to_doubt_is_told_above_the_numbers():
    doubtful = journey(
        skewed=4,
        skewed_by=[Skew(step="", service="<b>edge</b>", count=3), Skew(step="cart", service="cart", count=1)],
        overflow=Overflow(count=1200, mend="Raise the limit."),
        sampled=Evidence(spans=50, count=3042),
    )
    html = client(Answers([doubtful])).get("/journeys/checkout").text
    said = words(html[: html.index('class="tiles"')])
    assert "4 events ended before they started: clocks disagree (&lt;b&gt;edge&lt;/b&gt;, cart)." in said
    assert "1,200 events are counted as (over the limit). Raise the limit." in said
    assert "estimated from a sample: 3,042 events from 50 spans." in said
    assert html.count('class="banner warn"') == 2
    assert html.count('class="banner quiet"') == 1, "a sample is nothing wrong"
    assert "clocks disagree" in client(Answers([doubtful])).get("/").text


def test_what_is_over_a_limit_is_shown_in_words_and_keeps_its_link():
    over = Part(value="__overflow__", **flow(40))
    told = journey(
        "__overflow__",
        by={"tier": [over], "version": [over, Part(value="1.0.0", **flow(60))]},
        steps=[step("__overflow__")],
    )
    asking = client(Answers([told]))
    overview, html = asking.get("/").text, asking.get("/journeys/__overflow__?tier=__overflow__").text
    assert "(journeys over the limit)" in overview
    assert 'href="/journeys/__overflow__"' in overview
    assert html.count(">(over the limit)</bdi>") == 4, "the choice, a tier, a version and a step"
    assert "__overflow__" not in words(html.partition("<main")[2])


def test_ingest_tells_of_skew_and_of_what_is_over_the_limit():
    html = client(Answers([journey()], ingest={"skewed": 5, "overflowed": 112})).get("/").text
    assert "5 skewed" in html
    assert "112 over the limit" in html


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_reasons_versions_and_services_are_text(name):
    told = journey(
        reasons=[ReasonCount(step=name, reason=name, count=3)],
        skewed=3,
        skewed_by=[Skew(step=name, service=name, count=3)],
        flow=began(),
    )
    html = (
        client(Answers([told], exemplars=[exemplar(step=name, version=name, service=name)]))
        .get("/journeys/checkout")
        .text
    )
    assert state(html) == "data"
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert ">49<" not in html


def full_slo(**more) -> SloAnswer:
    """With everything that an SLO may have."""
    told = {
        "group_by": ["tier", "region"],
        "window": "1M",
        "window_kind": "calendar",
        "zone": "Europe/Berlin",
        "period": PeriodAnswer(begin=at(NOW - 10 * 86_400), end=at(NOW + 20 * 86_400)),
        "method": "RatioTimeslices",
        "corrections": [
            CorrectedAnswer(
                begin=at(NOW - 7200),
                end=at(NOW - 3600),
                name="db-upgrade",
                kind="maintenance",
                effect="exclude",
                who="ann@example.org",
                why="new <disks>",
            )
        ],
        "objectives": [
            group_of("gold", "eu", state="ok", left=0.9),
            group_of("free", "eu", state="burning_fast", left=0.2, policy="slow"),
            group_of("free", "us", state="burning_fast", left=0.1, policy="frozen"),
        ],
    }
    return slo("grouped").model_copy(update={**told, **more})


def group_of(tier: str, region: str, *, state: str, left: float, policy: str = "healthy") -> ObjectiveAnswer:
    return judged(
        burns(_5m=(20, 100), _1h=(20, 100)),
        group=f"tier={tier},region={region}",
        group_values={"tier": tier, "region": region},
        state=state,
        budget_remaining_projected=left,
        unit="slices",
        bad=7.25,
        no_data_minutes=180,
        excluded_minutes=60,
        policy=PolicyAnswer(name="default", state=policy, since=at(NOW - 600)),
    )


def test_of_groups_the_overview_shows_the_worst_and_the_slos_page_all_of_them():
    asking = client(Answers([journey()], [full_slo()]))
    html = asking.get("/").text
    assert html.count('href="/slos/grouped') == 1
    assert "<bdi>free \u00b7 us</bdi>, the worst of 3 groups" in html
    assert "policy: <bdi>frozen</bdi>" in html
    page = asking.get("/slos/grouped").text
    groups = re.findall(
        r'class="name" title="([^"]*)">', page[page.index('class="groups"') : page.index('class="facts"')]
    )
    assert groups == ["free \u00b7 us", "free \u00b7 eu", "gold \u00b7 eu"]
    assert '<tr class="chosen" aria-current="true"><th scope="row"><a href="/slos/grouped?group=tier%3Dfree' in page
    assert '<span class="sub"><bdi>free \u00b7 us</bdi></span></h2>' in page


def test_an_slo_by_group_that_has_no_group_yet_says_so():
    one = full_slo()
    silent = one.objectives[0].model_copy(update={"group": "", "group_values": {}, "state": "no_data"})
    asking = client(Answers([journey()], [one.model_copy(update={"objectives": [silent]})]))
    for path in ("/", "/slos/grouped"):
        assert '<span class="sub"><bdi>(no group yet)</bdi></span>' in asking.get(path).text


def test_another_group_is_chosen_by_its_link():
    asking = client(Answers([journey()], [full_slo()]))
    page = asking.get("/slos/grouped").text
    (href,) = re.findall(r'href="(/slos/grouped\?group=tier%3Dgold[^"]*)"', page)
    assert '<span class="sub"><bdi>gold \u00b7 eu</bdi></span></h2>' in asking.get(href).text
    assert "free \u00b7 us</bdi></span></h2>" in asking.get("/slos/grouped?group=nobody").text


def test_the_page_of_an_slo_tells_its_window_method_policy_and_what_was_not_observed():
    page = client(Answers([journey()], [full_slo()])).get("/slos/grouped").text
    assert "Calendar window of <bdi>Europe/Berlin</bdi>: 2027-01-05 09:00\u00a0CET to 2027-02-04" in page
    assert "RatioTimeslices: counted by slices of time" in page
    assert "One budget for each tier and region" in page
    assert "<h3>Bad slices</h3><p><b>7.25</b>" in page
    assert "no data in 3\u00a0h" in page
    assert "1\u00a0h excluded" in page
    assert '<b class="policy bad"><bdi>frozen</bdi></b>' in page


def test_corrections_are_told_with_who_and_why():
    page = client(Answers([journey()], [full_slo()])).get("/slos/grouped").text
    table = page[page.index('class="corrections"') :]
    for text in ("maintenance", "not counted: no data", "ann@example.org", "new &lt;disks&gt;", "db-upgrade"):
        assert text in table
    assert "Corrections" not in client(Answers([journey()], [slo("s")])).get("/slos/s").text
    assert "are not listed" not in table
    page = client(Answers([journey()], [full_slo(corrections_omitted=7)])).get("/slos/grouped").text
    assert "7 older ones in the window are not listed" in page


def test_a_composite_comes_before_its_components_and_says_what_it_is_made_of():
    parts = [
        CompositePart(name="cart", weight=2.0, spent=0.25, share=0.909),
        CompositePart(name="pay", weight=0.5, spent=None, share=None),
    ]
    whole = objective(name="composite", good=0, bad=0, parts=parts, budget_events=0.0)
    made = slo("joint", objective(name="cart"), objective(name="pay"), whole).model_copy(update={"composite": True})
    page = client(Answers([journey()], [made])).get("/slos/joint").text
    assert re.findall(r'<span class="sub"><bdi>(\w+)</bdi></span>\s*</h2>', page) == ["composite", "cart", "pay"]
    table = page[page.index('class="parts"') :]
    assert re.search(
        r"cart</bdi></th><td class=\"num\">2</td><td class=\"num\">75.0\u00a0%</td><td class=\"num\">91\u00a0%", table
    )
    assert re.search(r'pay</bdi></th><td class="num">0.5</td><td class="num"><span class="none"', table)
    assert "0 bad of 0" not in page


def test_an_slo_of_a_prometheus_has_no_journey_and_says_who_counts():
    counted = slo("prom", journey="").model_copy(update={"source": "prometheus"})
    asking = client(Answers([journey()], [counted]))
    assert "source: prometheus" in asking.get("/").text
    page = asking.get("/slos/prom").text
    assert "source: prometheus" in page
    assert "/journeys/" not in page


def test_a_burn_rate_stands_beside_the_interval_that_it_lies_in():
    burn = BurnRate(window="1h", window_seconds=3600, good=7, bad=3, burn_rate=30.0, coverage=1, lower=9.27, upper=60.6)
    page = client(Answers([journey()], [slo("s", objective(burn_rates=[burn]))])).get("/slos/s").text
    assert '<td class="num">9.3\u00d7 to 61\u00d7</td>' in page


def stages(*counts: int, succeeded: int, began: int, begin: int = NOW - 300) -> list[tuple[str, int | None, bool]]:
    """Of a funnel of the steps cart, payment and cancel."""
    named = zip(("cart", "payment", "cancel"), counts, strict=True)
    steps = [step(name, count).model_copy(update={"declared": True}) for name, count in named]
    answer = journey(steps=steps, flow=started(began)).model_copy(update={"outcomes": {"success": succeeded}})
    window = Span(begin=at(begin), end=at(NOW), seconds=NOW - begin)
    return [(stage.step or stage.title, stage.left, stage.most_left) for stage in funnel(answer, window)]


def started(count: int) -> JourneyFlow:
    return JourneyFlow(
        begin=at(NOW - 300), end=at(NOW), started=count, succeeded=0, failed=0, abandoned=None, silent=None, in_progress=None, timeout_seconds=60
    )  # fmt: skip


def test_who_began_in_other_seconds_than_the_window_has_is_not_held_against_its_steps():
    assert stages(90, 80, 70, succeeded=70, began=100)[0] == ("began", 0, False)
    assert stages(90, 80, 70, succeeded=70, began=100, begin=NOW - 310)[0] == ("cart", 0, False)


def test_nobody_left_before_a_step_that_journeys_succeed_without():
    assert stages(90, 80, 1, succeeded=70, began=100) == [
        ("began", 0, False),
        ("cart", 10, True),
        ("payment", 10, True),
        ("cancel", None, False),
        ("ended", 10, True),
    ]
    assert stages(90, 20, 19, succeeded=18, began=100)[2:] == [
        ("payment", 70, True),
        ("cancel", 1, False),
        ("ended", 1, False),
    ], "a step that few reach is no way of its own where no more succeed"
    assert stages(90, 80, 65, succeeded=70, began=100)[3:] == [("cancel", 15, True), ("ended", 0, False)], (
        "some may have done it before the window"
    )


def test_who_burnt_the_budget_is_told_of_the_worst_group_that_had_bad_events():
    def part(value: str, bad: int) -> BurntPart:
        return BurntPart(value=value, bad=bad, share=bad / 10)

    by = {"version": (part("1.5.0", 9), part("1.4.0", 1)), "tier": (part("", 10),), "reason": (part("<timeout>", 10),)}
    steps = (
        BurntStep(value="payment", bad=8, share=0.8, failed=8, slow=0),
        BurntStep(value="", bad=2, share=0.2, failed=2, slow=0),
    )
    found = Burnt(
        slo="grouped", objective="0.99", events=1000, bad=10, failed=10, slow=0, abandoned=0, budget_spent=1.0,
        by=by, rest={}, steps=steps,
    )  # fmt: skip
    answers = Answers([journey()], [full_slo()], burnt=found)
    page = client(answers).get("/slos/grouped").text
    assert answers.asked[-1] == {
        "name": "grouped",
        "objective": "0.99",
        "group": "tier=free,region=us",
        "now": NOW,
        "end": None,
    }
    table = page[page.index('class="burnt"') : page.index('class="corrections"')]
    rows = re.findall(
        r'<th scope="row">(\w+)</th><td><bdi class="name">(.*?)</bdi></td><td class="num">(\d+)</td>', table
    )
    assert rows == [
        ("step", "payment", "8"),
        ("version", "1.5.0", "9"),
        ("version", "1.4.0", "1"),
        ("reason", "&lt;timeout&gt;", "10"),
    ]
    assert "10 bad of 1,000 events in the last 1\u00a0d" in page


def test_nobody_is_named_where_nothing_was_bad_or_nobody_knows():
    calm = slo("calm", objective(bad=0))
    asking = Answers([journey()], [calm, slo("unknown")])
    for name in ("calm", "unknown"):
        assert "Who burnt" not in client(asking).get(f"/slos/{name}").text
    assert [asked["name"] for asked in asking.asked] == ["unknown"], "and where nothing was bad, the store is not asked"


def test_in_chinese_no_english_word_is_left_but_names(english_left):
    doubtful = journey(
        skewed=4,
        skewed_by=[Skew(step="", service="edge", count=3)],
        overflow=Overflow(count=1200, mend=""),
        sampled=Evidence(spans=50, count=3042),
        reasons=[ReasonCount(step="payment", reason="card_declined", count=3)],
        by={"version": [Part(value="__overflow__", **flow(40)), Part(value="1.0.0", **flow(60))]},
        flow=began(),
    )
    parts = [CompositePart(name="cart", weight=2.0, spent=0.25, share=0.909)]
    whole = objective(name="composite", good=0, bad=0, parts=parts, budget_events=0.0)
    made = slo("joint", objective(name="cart"), whole).model_copy(update={"composite": True})
    steps = (
        BurntStep(value="payment", bad=8, share=0.8, failed=8, slow=0),
        BurntStep(value="", bad=2, share=0.2, failed=2, slow=0),
    )
    by = {"version": (BurntPart(value="1.5.0", bad=9, share=0.9), BurntPart(value="", bad=1, share=0.1))}
    found = Burnt(
        slo="grouped", objective="0.99", events=1000, bad=10, failed=10, slow=0, abandoned=0, budget_spent=1.0,
        by=by, rest={}, steps=steps,
    )  # fmt: skip
    held = slo("held", judged(burns(_5m=(20, 100), _1h=(20, 100))))
    asking = Answers(
        [doubtful, journey("silent")], [full_slo(), made, held], exemplars=[exemplar()], burnt=found, ingest={"skewed": 5, "overflowed": 112}
    )  # fmt: skip
    data = {
        path: client(asking).get(f"{path}?lang=zh").text
        for path in ("/", "/journeys/checkout", "/slos/grouped", "/slos/joint", "/slos/held")
    }
    none = {
        path: client(Answers()).get(path, params={"lang": "zh"}).text
        for path in ("/", "/journeys/nobody", "/slos/nobody", "/journeys/%20")
    }
    problem = StoreError("connection refused")
    down = {f"{each!r}": client(Answers(error=each)).get("/?lang=zh").text for each in (problem, ValueError("?"))}
    names = ("checkout", "Check out", "silent", "storefront", "payment", "grouped", "joint", "held", "nobody", "Europe/Berlin", "CET", "ann@example.org", "cart", "edge", "vip", "soon", "default", "frozen", "ValueError")  # fmt: skip
    for path, html in {**data, **none, **down}.items():
        assert english_left(html, *names) == [], path
    assert "坏时间片" in data["/slos/grouped"]
