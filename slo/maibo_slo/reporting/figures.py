"""The figures of a report, as the service tells them and every format shows them. A quantity without data is None."""

from __future__ import annotations

from collections.abc import Mapping  # read at run time, by pydantic
from datetime import datetime
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["met", "missed", "no_data"]
Unit = Literal["events", "slices", "parts of slices", "composite"]


class Figures(BaseModel):
    """Strict JSON: no NaN or infinity."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class BurntPart(Figures):
    """The bad events of one value of a dimension."""

    value: str
    bad: int
    share: float = Field(description="of all bad events")


class BurntVersion(Figures):
    """The part of a step's bad events that one version of one service had."""

    service: str
    version: str
    bad: int
    share: float = Field(description="of all bad events")


class BurntStep(BurntPart):
    """The part that one step had; '' and what stands in brackets is nobody's."""

    failed: int
    slow: int
    versions: tuple[BurntVersion, ...] = ()


class Burnt(Figures):
    """Who burnt an objective's budget. Each list of parts, with its rest, adds up to the bad events."""

    slo: str
    objective: str
    events: int
    bad: int
    failed: int
    slow: int = Field(description="succeeded, and were bad all the same")
    abandoned: int
    budget_spent: float | None = Field(description="of what the events of this window allow; null without events")
    by: Mapping[str, tuple[BurntPart, ...]] = Field(description="by version, tier, region, variant and reason")
    rest: Mapping[str, int] = Field(description="bad events of all values that are not told one by one")
    steps: tuple[BurntStep, ...]


class Day(Figures):
    """One UTC day of an objective, as far as it lies in the period."""

    day: datetime
    good: int
    bad: int
    spent: float = Field(description="share of the whole period's budget that went on this day")


class Alerts(Figures):
    """How good the alerts of an objective were."""

    pages: int
    tickets: int
    precise_pages: int | None = Field(
        description="pages in whose span the budget burnt above 1x, or 0.5 % of it went; null where there was no time to look"
    )
    detect_seconds: tuple[float, ...] = Field(description="of each page: from the first bad minute of its burn to it")
    spent_outside: float | None = Field(
        description="share of the bad events that no alert was about; null without any, or where there was no time to look"
    )

    @property
    def precision(self) -> float | None:
        """Share of the pages that were worth it."""
        return self.precise_pages / self.pages if self.pages and self.precise_pages is not None else None

    @property
    def median_detect_seconds(self) -> float | None:
        return median(self.detect_seconds) if self.detect_seconds else None


class Trend(Figures):
    """The period before, of the same length or name."""

    attainment: float | None
    budget_spent: float | None


class Row(Figures):
    """One objective (of one group) over the period."""

    slo: str
    display_name: str
    objective: str
    group: str
    service: str
    team: str
    journey: str
    target: float
    unit: Unit
    good: int | None = Field(
        description="in `unit`, as bad is: of parts of slices in millionths; null of a composite by events"
    )
    bad: int | None
    counted_events: int | None = Field(
        description="always events: by events good and bad together; of slices those they are made of, without corrections; null of a "
        "composite as a whole, whose components may count the same ones"
    )
    attainment: float | None
    budget_spent: float | None = Field(description="1 is all that the period's own events allow; more is overspent")
    verdict: Verdict
    coverage: float | None = Field(
        description="share of the period's minutes that had events; of slices, share of them with data; null of a composite by events: its "
        "components say"
    )
    days: tuple[Day, ...] = Field(description="every one with data, in order")
    before: Trend
    alerts: Alerts
    steps: tuple[BurntStep, ...] = Field(description="that burnt the most, at most five")
    versions: tuple[BurntVersion, ...] = Field(description="that burnt the most, at most five")

    def worst_days(self, most: int = 3) -> tuple[Day, ...]:
        """Those that spent the most, if any did."""
        return tuple(sorted((day for day in self.days if day.bad), key=lambda day: (-day.spent, day.day))[:most])


class Report(Figures):
    """Every objective over a period."""

    begin: datetime
    end: datetime
    until: datetime = Field(description="now, where the period has not ended; its end, where it has")
    over: bool = Field(description="whether the period has ended; the last of it is still to come if not")
    rows: tuple[Row, ...]
    unblamed: int = Field(
        description="objectives with bad events whose steps were not looked at, for there were too many"
    )
    compared: bool = Field(default=True, description="false where there was no time to sum the period before")
    unjudged: int = Field(
        default=0, description="objectives with alerts of which nobody looked how good they were: there was no time"
    )
