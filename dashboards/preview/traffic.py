"""The demo's customers in event time: who comes, by the demo's own schedule, and the spans that the demo's shop would tell of each visit.

Nothing runs: how long work takes is drawn as the demo's services draw it. What comes out is OTLP, as the SDK's exporter writes it.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from maibo import semconv
from maibo_slo.demo.schedule import Intent, Phase, Visit, visits
from maibo_slo.demo.shop.work import SIGMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400
S: Final = 10**9
MS: Final = 10**6
SLOWNESS, UNANSWERED = 12.0, 0.25
"""Of the bad release of payment, as in the demo."""
NEWEST_RATE: Final = 0.9
"""Visits a second on the last day."""
GROWTH: Final = 3.0
"""Of a month, as an exponent: the shop became twenty times as large."""


@dataclass(frozen=True, slots=True)
class Story:
    """What happens before `end` (unix s, a whole hour's end)."""

    begin: int
    end: int

    @property
    def sale(self) -> tuple[int, int]:
        """Four times as many come."""
        return self.end - 200 * MINUTE, self.end - 165 * MINUTE

    @property
    def bad_release(self) -> tuple[int, int]:
        """Payment answers late, and now and then not at all."""
        return self.end - 110 * MINUTE, self.end - 75 * MINUTE


def phases(story: Story) -> Iterator[Phase]:
    """By five minutes, in seconds since the story's begin: days and nights, growth, and a sale."""
    for at in range(story.begin, story.end, 300):
        day = 1 + 0.45 * math.sin(2 * math.pi * ((at % DAY) / DAY - 0.3))
        grown = math.exp(GROWTH * (at - story.end) / (30 * DAY))
        sale = 4.0 if story.sale[0] <= at < story.sale[1] else 1.0
        yield Phase("", at - story.begin, at - story.begin + 300, day * grown * sale)


def arrivals(story: Story, seed: int = 7) -> Iterator[tuple[float, Visit]]:
    """When each comes, unix s, in order."""
    for visit in visits(tuple(phases(story)), rate=NEWEST_RATE, seed=seed):
        yield story.begin + visit.at, visit


class Releases:
    """Which version of each service serves at a time: more and more often a new one, and one of payment that is taken back."""

    def __init__(self, story: Story, seed: int = 11) -> None:
        dice = Random(seed)  # noqa: S311 -- a story, not a secret
        self._story = story
        self._since: dict[str, list[int]] = {}
        for service, first in (("storefront", 20.0), ("cart", 40.0), ("payment", 60.0)):
            at, since = float(story.begin), [story.begin]
            while (at := at + dice.uniform(0.6, 1.4) * HOUR * (4 + first * (story.end - at) / (30 * DAY))) < story.end:
                if story.end - 5 * HOUR > at:
                    since.append(int(at))
            self._since[service] = since
        self._since["storefront"].append(story.end - 290 * MINUTE)

    def of(self, service: str, at: float) -> str:
        since = self._since[service]
        number = sum(each <= at for each in since)
        if service == "payment" and self._story.bad_release[0] <= at < self._story.bad_release[1]:
            number += 1
        return f"1.{number}.0"


@dataclass(slots=True)
class Request:
    """One body of OTLP under way."""

    body: ExportTraceServiceRequest = field(default_factory=ExportTraceServiceRequest)
    _spans: dict[tuple[str, str, str], Any] = field(default_factory=dict)

    def spans(self, service: str, version: str, region: str) -> Any:
        key = service, version, region
        if key not in self._spans:
            resource = self.body.resource_spans.add()
            told = {
                semconv.SERVICE_NAME: service,
                semconv.SERVICE_VERSION: version,
                semconv.REGION: region,
                semconv.ENVIRONMENT: "production",
            }
            for name, value in told.items():
                resource.resource.attributes.add(key=name).value.string_value = value
            self._spans[key] = resource.scope_spans.add().spans
        return self._spans[key]


class Shop:
    """Plays visits: what its services tell of each."""

    def __init__(self, story: Story, seed: int = 3) -> None:
        self._story = story
        self._dice = Random(seed)  # noqa: S311 -- service times, not secrets
        self._releases = Releases(story)
        self._templates: dict[tuple[str, ...], Span] = {}

    def tell(self, request: Request, at: float, visit: Visit) -> None:
        told = _Told(self, request, at, visit)
        if visit.intent is Intent.BROWSES:
            told.whole("storefront", self.takes(12, at), "success", step="search", started=True)
            return
        basket = self.takes(10, at) + (reserved := self.takes(8, at))
        told.began()
        told.step("cart", "reserve", 2, reserved)
        told.step("storefront", "basket", 0, basket)
        if self._dice.random() < 0.015:  # never seen again
            return
        gone = basket + visit.pauses[0] * 1000
        address = self.takes(8, at)
        told.step("storefront", "address", gone, address)
        gone += address + visit.pauses[1] * 1000
        if visit.intent is Intent.CANCELS:
            told.whole("storefront", gone + self.takes(3, at), "abandoned", step="cancel", since=gone)
            return
        bad = self._story.bad_release[0] <= at < self._story.bad_release[1]
        charge = self.takes(25, at) * (SLOWNESS if bad else 1.0)
        failed = self._dice.random() < (UNANSWERED if bad else 0.0015)
        reason = "bank did not answer" if failed else ""
        if visit.intent is Intent.CARD_IS_DECLINED:
            failed, reason = True, "card declined"
        told.step("payment", "charge", gone + 2, charge, reason=reason, failed=failed)
        pay = charge + self.takes(6, at)
        told.whole(
            "storefront", gone + pay, "failure" if failed else "success", step="payment", since=gone, reason=reason
        )

    def probed(self, request: Request, at: float, visit: Visit) -> None:
        """Now and then a span that belongs to no journey."""
        if self._dice.random() < 0.1:
            span = request.spans("storefront", self.version("storefront", at), visit.region).add(name="GET /healthz")
            span.trace_id, span.span_id = secrets.token_bytes(16), secrets.token_bytes(8)
            span.start_time_unix_nano, span.end_time_unix_nano = int(at * S), int(at * S) + MS

    def takes(self, median_ms: float, at: float) -> float:
        """Milliseconds; longer in the sale's first minutes, before there are replicas for it."""
        begin, _ = self._story.sale
        crowd = 2.5 if begin <= at < begin + 150 else 1.0
        return median_ms * crowd * self._dice.lognormvariate(0.0, SIGMA)

    def clock_jumps(self) -> bool:
        """A node of the cart's has its clock set back now and then: the span ends before it starts."""
        return self._dice.random() < 1 / 4000

    def version(self, service: str, at: float) -> str:
        return self._releases.of(service, at)

    def template(self, *kind: str) -> Span:
        """journey, step, tier, outcome, reason, started: a span whose id and begin of the journey are still to be said."""
        if (found := self._templates.get(kind)) is None:
            found = self._templates[kind] = _template(*kind)
        return found


def _template(journey: str, step: str, tier: str, outcome: str, reason: str, started: str) -> Span:
    span = Span(name=step or journey, kind=Span.SPAN_KIND_SERVER)
    span.attributes.add(key=semconv.JOURNEY_ID).value.string_value = ""
    span.attributes.add(key=semconv.JOURNEY_START_TIME).value.int_value = 0
    for key, value in {
        semconv.JOURNEY_NAME: journey,
        semconv.JOURNEY_STEP: step,
        semconv.JOURNEY_TIER: tier,
        semconv.JOURNEY_OUTCOME: outcome,
        semconv.JOURNEY_FAILURE_REASON: reason,
    }.items():
        if value:
            span.attributes.add(key=key).value.string_value = value
    if started:
        span.attributes.add(key=semconv.JOURNEY_STARTED).value.bool_value = True
    if reason:
        span.status.code = Status.STATUS_CODE_ERROR
    return span


class _Told:
    """One visit's spans."""

    def __init__(self, shop: Shop, request: Request, at: float, visit: Visit) -> None:
        self._shop = shop
        self._request = request
        self._at = at
        self._visit = visit
        self._id = secrets.token_hex(16)
        self._trace = secrets.token_bytes(16)

    def began(self) -> None:
        self._span("storefront", "", 0, 0, started="yes")

    def step(
        self, service: str, step: str, after_ms: float, lasts_ms: float, *, reason: str = "", failed: bool = False
    ) -> None:
        self._span(service, step, after_ms, lasts_ms, reason=reason if failed else "")

    def whole(
        self,
        service: str,
        lasted_ms: float,
        outcome: str,
        *,
        step: str,
        since: float = 0.0,
        reason: str = "",
        started: bool = False,
    ) -> None:
        """The last step, and the journey's end."""
        self._span(service, step, since, lasted_ms - since, reason=reason)
        self._span(service, "", 0, lasted_ms, outcome=outcome, reason=reason, started="yes" if started else "")

    def _span(
        self,
        service: str,
        step: str,
        after_ms: float,
        lasts_ms: float,
        *,
        outcome: str = "",
        reason: str = "",
        started: str = "",
    ) -> None:
        visit, at = self._visit, self._at
        spans = self._request.spans(service, self._shop.version(service, at), visit.region)
        span = spans.add()
        span.CopyFrom(self._shop.template(visit.journey, step, visit.tier, outcome, reason, started))
        begin = int((at + after_ms / 1000) * S)
        if service == "cart" and self._shop.clock_jumps():
            lasts_ms = -lasts_ms
        span.trace_id = self._trace
        span.span_id = secrets.token_bytes(8)
        span.start_time_unix_nano = begin
        span.end_time_unix_nano = begin + int(lasts_ms * MS)
        span.attributes[0].value.string_value = self._id
        span.attributes[1].value.int_value = int(at * 1e6)


def bodies(shop: Shop, coming: Iterable[tuple[float, Visit]], ends: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """A body for each time in `ends` (unix s), with the visits that came before it."""
    arriving = iter(coming)
    waiting = next(arriving, None)
    for end in ends:
        request = Request()
        while waiting is not None and waiting[0] < end:
            shop.tell(request, *waiting)
            shop.probed(request, *waiting)
            waiting = next(arriving, None)
        yield end, request.body.SerializeToString()
