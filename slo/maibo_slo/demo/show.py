"""What a person sees: progress while the demo runs, two tables at its end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from maibo_slo.demo.report import Report
from maibo_slo.demo.schedule import DURATION_SECONDS
from maibo_slo.demo.watch import quantile

PLAIN_EVERY_SECONDS = 5.0
WIDE = 96
"""Columns from which tables have room between theirs; they fit into 80."""
STYLES = {"ok": "green", "burning": "yellow", "burning_fast": "red", "exhausted": "bold red"}

HELD_BACK = "* held back: maibo serve says OK for a service's first six minutes or longer"


@dataclass(frozen=True, slots=True)
class Moment:
    """The demo at a moment, for the live table."""

    phase: str
    elapsed: float
    duration: float
    requests_per_second: float | None
    """Over the last few seconds of this phase, by the customers' account; None while it is too young to tell."""
    journeys: int
    """Ended so far, by the customers' account."""
    failures: int
    counted: int
    """Ended so far, by maibo's."""
    p99_us: Mapping[str, float | None]
    states: Mapping[tuple[str, str], str]


class Screen(Protocol):
    """Where progress goes."""

    def say(self, text: str) -> None:
        """One line that stays."""

    def show(self, moment: Moment) -> None:
        """The newest state of things."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(slots=True)
class Lines:
    """Progress as plain lines: for pipes and CI."""

    console: Console
    shown_at: float = 0.0
    phase: str = ""

    def say(self, text: str) -> None:
        """Print it."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def show(self, moment: Moment) -> None:
        """Print a line when a phase begins, and every few seconds."""
        now = time.monotonic()
        if moment.phase == self.phase and now - self.shown_at < PLAIN_EVERY_SECONDS:
            return
        self.phase, self.shown_at = moment.phase, now
        not_ok = [
            f"{slo}: {state}" for (slo, _), state in sorted(moment.states.items()) if state in STYLES and state != "ok"
        ]
        self.say(
            f"{moment.elapsed:5.1f} s  {moment.phase:<16}  {_rate(moment):>5} requests/s  "
            f"{moment.journeys:5} journeys, {moment.failures} failed, {moment.counted} counted  "
            + "  ".join(f"{journey} P99 {milliseconds(p99)}" for journey, p99 in sorted(moment.p99_us.items()))
            + ("  " + ", ".join(not_ok) if not_ok else "")
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(slots=True)
class LiveTable:
    """Progress as a bar and a table that are drawn anew: for terminals."""

    console: Console
    live: Live = field(init=False)

    def __post_init__(self) -> None:
        self.live = Live(console=self.console, refresh_per_second=4, transient=True)

    def say(self, text: str) -> None:
        """Print it above the table."""
        self.live.console.print(text, highlight=False, soft_wrap=True)

    def show(self, moment: Moment) -> None:
        """Draw it."""
        progress = Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed} of {task.total:.0f} s"),
        )
        progress.add_task(moment.phase, total=moment.duration, completed=int(min(moment.elapsed, moment.duration)))
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_row("requests/s", _rate(moment))
        table.add_row(
            "journeys", f"{moment.journeys} ended, {moment.failures} failed; {moment.counted} counted by maibo"
        )
        for journey, p99 in sorted(moment.p99_us.items()):
            table.add_row(f"P99 {journey}", milliseconds(p99))
        for (slo, objective), state in sorted(moment.states.items()):
            table.add_row(f"{slo} {objective}", Text(state.replace("_", " "), STYLES.get(state, "dim")))
        self.live.update(Group(progress, table))

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()


def screen(console: Console) -> Screen:
    """The one that fits where output goes."""
    return LiveTable(console) if console.is_terminal else Lines(console)


def _rate(moment: Moment) -> str:
    return "-" if moment.requests_per_second is None else f"{moment.requests_per_second:.1f}"


def final(console: Console, report: Report) -> None:
    """The two accounts side by side, what burned, how fresh, what was lost; and the verdict."""
    wide = console.width >= WIDE
    for part in (_accounts(report, wide=wide), _steps(report, wide=wide), _burnt(report, wide=wide)):
        console.print()
        console.print(part)
    if any(each.held_back for each in report.burnt):
        console.print(HELD_BACK, highlight=False)
    console.print()
    for line in _facts(report):
        console.print(line, highlight=False)
    judged = report.judgement
    if judged.agree:
        console.print(Text("The two accounts agree.", "bold green"))
        return
    console.print(Text("The two accounts disagree:", "bold red"))
    for each in judged.disagreements:
        console.print(f"  {each}", highlight=False, markup=False, soft_wrap=True)


def _accounts(report: Report, *, wide: bool) -> Table:
    table = _table("What customers measured / what maibo says", wide=wide)
    for name in ("journey", "tier"):
        table.add_column(name)
    for name in ("requests", "journeys", "failed", "aban-\ndoned", "exact\nP99", "maibo's\nP99", "off by"):
        table.add_column(name, justify="right")
    for row in report.judgement.rows:
        table.add_row(
            row.journey,
            row.tier,
            _pair(row.requests_seen, row.requests_told),
            _pair(sum(row.seen.values()), sum(row.told.values())),
            *(_pair(row.seen.get(outcome, 0), row.told.get(outcome, 0)) for outcome in ("failure", "abandoned")),
            milliseconds(row.p99.nearest_us),
            milliseconds(row.p99.told_us),
            "-" if row.p99.error is None else f"{row.p99.error:.2%}",
        )
    return table


def _steps(report: Report, *, wide: bool) -> Table:
    table = _table("What services wrote down / what maibo says", wide=wide)
    for name in ("service", "version", "step"):
        table.add_column(name)
    for name in ("requests", "failed", "services'\nP99", "maibo's\nP99"):
        table.add_column(name, justify="right")
    for row in report.judgement.steps:
        table.add_row(
            row.service,
            row.version,
            row.step,
            _pair(sum(row.written.values()), sum(row.told.values())),
            _pair(row.written.get("failure", 0), row.told.get("failure", 0)),
            milliseconds(row.p99.nearest_us),
            milliseconds(row.p99.told_us),
        )
    return table


def _table(title: str, *, wide: bool) -> Table:
    return Table(
        title=title,
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 2 if wide else 0, 0, 0),
        pad_edge=False,
        show_edge=False,
    )


def _pair(theirs: int, ours: int) -> Text:
    """Both counts; in red where they differ."""
    return Text(f"{theirs}/{ours}", "" if theirs == ours else "bold red")


def _burnt(report: Report, *, wide: bool) -> Table | Text:
    if not report.burnt:
        if report.seconds >= DURATION_SECONDS:
            return Text("No SLO burned.")
        return Text(
            f"No SLO burned: {report.seconds:g} s have too few journeys to tell a burn from chance. "
            f"Without --duration it is {DURATION_SECONDS} s."
        )
    table = _table("SLOs burnt", wide=wide)
    for name in ("SLO", "objective", "worst state", "first seen"):
        table.add_column(name)
    for each in report.burnt:
        after = each.first_seen_at - report.released_at
        seen = f"{after:.1f} s after the bad release" if after >= 0 else f"{-after:.1f} s before the bad release"
        state = each.state.replace("_", " ") + ("*" if each.held_back else "")
        table.add_row(each.slo, each.objective, Text(state, STYLES[each.state]), seen)
    return table


def _facts(report: Report) -> Iterable[str]:
    judged = report.judgement
    p50, p99 = (quantile(report.freshness_seconds, q) for q in (0.5, 0.99))
    yield f"requests: {judged.requests} sent by customers, {judged.counted} counted by maibo"
    if p50 is not None and p99 is not None:
        yield f"from the end of a request until it is visible: P50 {p50:.2f} s, P99 {p99:.2f} s"
    yield (
        f"spans: {judged.spans.expected} expected, {judged.spans.accepted} accepted, {judged.spans.counted} counted, "
        f"{judged.spans.lost} lost, {judged.spans.duplicated} duplicated"
    )


def milliseconds(value_us: float | None) -> str:
    """Three significant digits, or a dash for no data."""
    if value_us is None:
        return "-"
    value = value_us / 1000
    return f"{value:.3g} ms" if value < 1000 else f"{value:,.0f} ms"
