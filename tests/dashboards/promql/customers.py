"""Who comes to the shop, as a service's exporter tells of them over OTLP; and what else is sent there that is none of that."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from maibo import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

VARIANTS = ("", *"abcd")


class Customers:
    """Come over OTLP's JSON: so many of each journey, some slow, some in vain. What was sent is counted here, for all that is said of it later."""

    def __init__(self, otlp: httpx2.Client) -> None:
        self._otlp = otlp
        self.told: Counter[tuple[str, str]] = Counter()
        """Whole journeys that count, by journey and outcome."""
        self.fates: Counter[str] = Counter()
        """Spans, by what is to become of them; of retries nothing."""
        self.answers: Counter[str] = Counter()
        """Requests, by the status of their answer."""
        self.slowest = 0.0
        """Seconds that the longest request took."""

    def come(self, *, latest: float) -> None:
        """200 checkouts, 100 looks, 100 orders, the last of them done at `latest`; orders within a minute, all else within half an hour."""
        spans: dict[str, list[Any]] = {"storefront": [], "checkout-api": []}
        for number in range(200):
            outcome = "failure" if number % 4 == 0 else "abandoned" if number % 25 == 1 else "success"
            ms = 40 + 7 * (number % 50) + (900 if number % 40 == 7 else 0)
            tier = {semconv.JOURNEY_TIER: "vip" if number % 3 else "standard"}
            spans["storefront"].append(self._ended("checkout", outcome, latest - 9 * number, ms, tier))
        for number in range(100):
            spans["storefront"].append(self._ended("browse", "success", latest - 18 * number, 5 + number % 60))
            spans["checkout-api"] += [
                self._span({semconv.JOURNEY_NAME: "buy", semconv.JOURNEY_STEP: "order"}, latest - number / 2, 30),
                self._ended("buy", "success", latest - number / 2, 60 + number),
            ]
        self.fates["counted"] += sum(map(len, spans.values()))
        assert self._post(json=_request(spans)) == 200

    def go_wrong(self, *, at: float) -> None:
        """Looks of more variants than maibo counts apart, what belongs to no journey, what is refused, what ended before it began; all of it
        sent twice. And two requests that are none."""
        checkout = {semconv.JOURNEY_NAME: "checkout"}
        spans = {
            "storefront": [
                *(self._ended("browse", "success", at, 20, {semconv.JOURNEY_VARIANT: each}) for each in VARIANTS),
                *(self._span({**checkout, semconv.JOURNEY_OUTCOME: "great"}, at, 20) for _ in range(3)),
                *(self._span({**checkout, semconv.JOURNEY_OUTCOME: "success"}, at, -20) for _ in range(4)),
            ],
            "elsewhere": [self._span({}, at, 20) for _ in range(7)],
        }
        self.fates.update(counted=len(VARIANTS), rejected=3, skewed=4, ignored=7)
        request = _request(spans)
        assert [self._post(json=request) for _ in range(2)] == [200, 200]
        assert self._post(content=b"{", headers={"Content-Type": "application/json"}) == 400
        assert self._post(content=b"spans", headers={"Content-Type": "text/plain"}) == 415

    def _post(self, **request: Any) -> int:
        begin = time.monotonic()
        said = self._otlp.post("/v1/traces", **request)
        self.slowest = max(self.slowest, time.monotonic() - begin)
        self.answers[str(said.status_code)] += 1
        return int(said.status_code)

    def _ended(self, journey: str, outcome: str, at: float, ms: float, more: Mapping[str, str] | None = None) -> Any:
        self.told[journey, outcome] += 1
        return self._span({semconv.JOURNEY_NAME: journey, semconv.JOURNEY_OUTCOME: outcome, **(more or {})}, at, ms)

    @staticmethod
    def _span(said: Mapping[str, str], at: float, ms: float) -> Any:
        begun = int((at - ms / 1000) * 1e6)
        whose: dict[str, str | int] = {semconv.JOURNEY_ID: secrets.token_hex(16), semconv.JOURNEY_START_TIME: begun}
        return {
            "traceId": secrets.token_hex(16),
            "spanId": secrets.token_hex(8),
            "name": "a span",
            "startTimeUnixNano": str(begun * 1000),
            "endTimeUnixNano": str(begun * 1000 + int(ms * 1e6)),
            "attributes": _attributes({**said, **(whose if said else {})}),
            "status": {"code": 2} if said.get(semconv.JOURNEY_OUTCOME) == "failure" else {},
        }


def _request(spans: Mapping[str, list[Any]]) -> Any:
    """By service."""
    return {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": _attributes({semconv.SERVICE_NAME: service, semconv.ENVIRONMENT: "production"})
                },
                "scopeSpans": [{"spans": of}],
            }
            for service, of in spans.items()
        ]
    }


def _attributes(said: Mapping[str, str | int]) -> list[Any]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in said.items()
    ]
