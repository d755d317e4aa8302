"""``maibo scaleup list``, ``maibo scaleup show`` and ``maibo scaleup explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from maibo_slo.cli.client import ask, escaped, url_option
from maibo_slo.cli.example import examples
from maibo_slo.cli.output import (
    NOTHING,
    console,
    coverage,
    many,
    output_option,
    print_json,
    shown,
    styled,
    table,
)
from maibo_slo.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.table import Table
    from rich.text import Text

    from maibo_slo.service.scaleup_answers import (
        Durations,
        OneScaleUpAnswer,
        PhaseAnswer,
        PodAnswer,
        ScaleUpAnswer,
        WorkloadScaleUps,
    )

CERTAIN, UNCERTAIN, CENSORED = "█", "░", "✗"
LETTERS: Final[Mapping[str, str]] = {
    "served": "g",
    "decided": "d",
    "created": "c",
    "scheduled": "n",
    "pulled": "p",
    "started": "s",
    "ready": "r",
    "in_rotation": "i",
    "first_journey": "j",
}
"""By the stage that ends a phase: a pod's bar is made of them, so that it can be read without colours."""
STYLES: Final[Mapping[str, str]] = {
    "served": "blue",
    "decided": "cyan",
    "created": "white",
    "scheduled": "yellow",
    "pulled": "magenta",
    "started": "blue",
    "ready": "green",
    "in_rotation": "cyan",
    "first_journey": "dim",
}
STATES: Final = {"complete": "green", "censored": "bold red", "running": "yellow"}
LONGEST_BAR: Final = 72
SHORTEST_BAR: Final = 20
SHORTEST_LABEL: Final = 26
_CUT: Final = "the window has more than are looked at: choose a shorter one, or a workload"
_FIGURE: Final = 22
_TICKS: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21_600, 86_400)

window_option = click.option("--window", default="7d", show_default=True, help="How far back: 6h, 7d, 30d.")
workload_option = click.option("--workload", default="", help="Only of this: NAMESPACE/KIND/NAME, or NAME alone.")


@click.group(
    epilog=examples("maibo scaleup list", "maibo scaleup show --window 30d", "maibo scaleup explain checkout-api")
)
def scaleup() -> None:
    """Scale-ups: how long from the trigger until the added pods serve, and why (asks a running service)."""


@scaleup.command(
    "list",
    epilog=examples(
        "maibo scaleup list",
        "maibo scaleup list --workload checkout-api --state censored --window 30d",
        "maibo scaleup list --output json",
    ),
)
@window_option
@workload_option
@click.option("--state", type=click.Choice(["running", "complete", "censored"]), help="Only these.")
@click.option("--limit", default=100, show_default=True, help="So many of the newest.")
@url_option
@output_option
def list_(*, window: str, workload: str, state: str | None, limit: int, url: str, output: str) -> None:
    """Scale-ups, the newest first: who decided what, how long it took, and where the time went.

    A latency of > 120 s is of one that is not over, or never will be: it lasted so long.
    """
    from maibo_slo.service.scaleup_answers import ScaleUpsAnswer

    asked = {"window": window, "workload": workload, "limit": str(limit)} | ({"state": state} if state else {})
    answer = ask(url, "/v1/scaleups", ScaleUpsAnswer, asked)
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    out = console()
    if not answer.scaleups:
        out.print("no scale-up was recorded in this window")
        return
    out.print(_list(answer.scaleups))
    if answer.omitted:
        out.print(f"and {answer.omitted} older: see --limit")
    if answer.cut:
        out.print(_CUT)


@scaleup.command(
    epilog=examples("maibo scaleup show", "maibo scaleup show --workload shop/Deployment/checkout-api --window 30d")
)
@window_option
@workload_option
@url_option
@output_option
def show(*, window: str, workload: str, url: str, output: str) -> None:
    """P50, P90 and P99 of scale-up latency, by workload and phase.

    By the Kaplan-Meier estimate: scale-ups that never ended count as longer than they lasted. Two figures are the least and the most that
    it can be, since Kubernetes writes some moments to the second.
    """
    from maibo_slo.service.scaleup_answers import ScaleUpSummaryAnswer

    answer = ask(url, "/v1/scaleups/summary", ScaleUpSummaryAnswer, {"window": window, "workload": workload})
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    out = console()
    if not answer.workloads:
        out.print("no scale-up was recorded in this window")
    for each in answer.workloads:
        out.print(styled(shown(each.workload), "bold"), "", _counts(each))
        out.print(_quantiles(each))
    if answer.cut:
        out.print(_CUT)


@scaleup.command(
    epilog=examples(
        "maibo scaleup explain",
        "maibo scaleup explain checkout-api --pods 30",
        "maibo scaleup explain shop/Deployment/checkout-api@1769860626000",
    )
)
@click.argument("which", default="", metavar="[ID|WORKLOAD]")
@click.option("--pods", default=10, show_default=True, help="So many of the added pods, those that took longest.")
@click.option("--window", default="30d", show_default=True, help="How far back the newest one is looked for.")
@url_option
@output_option
def explain(*, which: str, pods: int, window: str, url: str, output: str) -> None:
    """One scale-up as a waterfall: each phase, each pod, and where the time went.

    By its id, or the newest of a workload (NAMESPACE/KIND/NAME or NAME), or of all.
    """
    from maibo_slo.service.scaleup_answers import OneScaleUpAnswer

    found = which if "@" in which else _newest(url, which, window)
    answer = ask(url, f"/v1/scaleups/{escaped(found)}", OneScaleUpAnswer)
    if output == "json":
        print_json(answer.model_dump(mode="json"))
        return
    out = console()
    for line in waterfall(answer, width=out.width, pods=pods):
        out.print(line)


def waterfall(answer: OneScaleUpAnswer, *, width: int, pods: int) -> Iterator[str | Text]:
    """The lines of it."""
    yield from _head(answer)
    told = answer.added_pods[: max(0, pods)]
    names = max([SHORTEST_LABEL, *(len(pod.name) for pod in told)])
    label = min(names, max(SHORTEST_LABEL, width - LONGEST_BAR - 2 * _FIGURE))
    bar = max(SHORTEST_BAR, min(LONGEST_BAR, width - label - _FIGURE - 3))
    longest = max([answer.latency.latest, *(each.end.latest for each in _all_phases(answer))])
    scale = max(longest, 1e-3) / bar
    yield ""
    yield styled(" " * (label + 1) + _axis(longest, bar), "dim")
    for phase in answer.phases:
        yield _row(
            label, f"{LETTERS[phase.stage]}  {phase.label}", _bar(phase, scale, bar), _took(phase), STYLES[phase.stage]
        )
    if not told:
        return
    yield ""
    rest = len(answer.added_pods) - len(told)
    yield styled(f"pods{f' (the {len(told)} that took longest of {len(answer.added_pods)})' if rest else ''}", "bold")
    for pod in told:
        yield _pod_row(pod, label, scale, bar)
    yield styled(f"{UNCERTAIN} at some time in it: known to the second   {CENSORED} got no further", "dim")


def _head(answer: OneScaleUpAnswer) -> Iterator[str | Text]:
    from maibo_slo.service.pages.scaleup_words import changed, clocks, pods_in_words, seconds

    yield styled(f"{shown(answer.workload)}  {changed(answer)}", "bold")
    took = seconds(answer.latency, longer=answer.censored)
    since = "the trigger" if answer.since == "trigger" else "the decision"
    state = f"{answer.state}, {took} since {since}" if answer.censored else f"complete in {took} from {since}"
    yield styled(state, STATES[answer.state])
    yield f"decided {answer.decided_at:%Y-%m-%d %H:%M:%S} UTC by {shown(answer.by)}: {shown(answer.reason) or NOTHING}"
    if answer.where:
        yield styled(answer.where, "bold yellow")
    if answer.why_censored:
        yield f"censored: {shown(answer.why_censored)}"
    parts = [
        f"{what} served after {seconds(at)}"
        for what, at in (("half of the added pods", answer.half), ("nine tenths", answer.most))
        if at is not None
    ]
    yield "; ".join([pods_in_words(answer), *parts])
    if answer.skews:
        yield styled(clocks(answer.skews), "yellow")
    for note in answer.notes:
        yield styled(shown(note), "dim")


def _all_phases(answer: OneScaleUpAnswer) -> Iterator[PhaseAnswer]:
    yield from answer.phases
    for pod in answer.added_pods:
        yield from pod.phases


def _row(width: int, label: str, bar: str | Text, figure: str, style: str) -> Text:
    from rich.text import Text

    return Text.assemble(
        f"{label:<{width}} ",
        (bar, style) if isinstance(bar, str) else bar,
        f" {figure}",
        no_wrap=True,
        overflow="ellipsis",
    )


def _pod_row(pod: PodAnswer, label: int, scale: float, width: int) -> Text:
    from rich.text import Text

    from maibo_slo.service.pages.scaleup_words import seconds

    cells, styles = [" "] * width, [""] * width
    for phase in pod.phases:
        for at, sure in _cells(phase, scale, width):
            if cells[at] in (" ", UNCERTAIN):
                cells[at], styles[at] = (LETTERS[phase.stage] if sure else UNCERTAIN), STYLES[phase.stage]
    if not pod.serving:
        last = max((at for at, cell in enumerate(cells) if cell != " "), default=0)
        at = min(width - 1, last + 1)
        if pod.state != "starting":
            cells[at], styles[at] = CENSORED, "bold red"
    bar = Text.assemble(*zip(cells, styles, strict=True))
    name = shown(pod.name)
    said = seconds(pod.seconds, longer=not pod.serving)
    if not pod.serving:
        said += f" {pod.state.replace('_', ' ')}" + (f": {shown(pod.unschedulable)}" if pod.unschedulable else "")
    return _row(label, name if len(name) <= label else f"…{name[1 - label :]}", bar, said, "")


def _bar(phase: PhaseAnswer, scale: float, width: int) -> str:
    cells = [" "] * width
    for at, sure in _cells(phase, scale, width):
        cells[at] = CERTAIN if sure else UNCERTAIN
    return "".join(cells)


def _cells(phase: PhaseAnswer, scale: float, width: int) -> Iterator[tuple[int, bool]]:
    """Places of a bar, and whether it is sure that the phase was going on there. One at least."""
    first = min(width - 1, int(phase.begin.earliest / scale))
    last = min(width - 1, max(first, round(phase.end.latest / scale) - 1))
    for at in range(first, last + 1):
        cell = (at * scale, (at + 1) * scale)
        sure = _shared(cell, (phase.begin.latest, phase.end.earliest))
        yield at, sure > 0 and sure * 2 >= _shared(cell, (phase.begin.earliest, phase.end.latest))


def _shared(one: tuple[float, float], other: tuple[float, float]) -> float:
    """How much of the two is the same."""
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def _axis(longest: float, width: int) -> str:
    """Round times, as many as fit."""
    step = next((each for each in _TICKS if longest / each <= max(2, width // 12)), _TICKS[-1])
    line = [" "] * (width + 8)
    for tick in range(0, int(longest) + 1, step):
        at = int(tick / longest * width)
        label = f"{tick} s" if tick < 600 else f"{tick // 60} min"
        line[at : at + len(label)] = label
    return "".join(line).rstrip()


def _took(phase: PhaseAnswer) -> str:
    from maibo_slo.service.pages.scaleup_words import SAYING_MORE, seconds

    said = seconds(phase.seconds, longer=not phase.over)
    return f"{said}  {phase.doing}" if phase.doing in SAYING_MORE else said


def _list(scaleups: Sequence[ScaleUpAnswer]) -> Table:
    from maibo_slo.service.pages.scaleup_words import changed, seconds

    made = table(
        "decided (UTC)", "workload", "replicas", "by", "latency", "state", "where the time went",
        numbers=("replicas", "latency"), whole=("decided (UTC)",),
    )  # fmt: skip
    for each in scaleups:
        made.add_row(
            f"{each.decided_at:%Y-%m-%d %H:%M:%S}",
            shown(each.workload),
            changed(each),
            shown(each.by),
            seconds(each.latency, longer=each.censored),
            styled(each.state, STATES[each.state]),
            shown(each.where),
        )
    return made


def _counts(of: WorkloadScaleUps) -> str:
    from maibo_slo.service.pages.scaleup_words import counted_from

    parts = [f"{number} {what}" for number, what in ((of.censored, "censored"), (of.running, "running")) if number]
    parts.append(counted_from(of))
    if of.warm_share is not None:
        parts.append(f"{coverage(of.warm_share)} without a new node")
    return ", ".join([many(of.count, "scale-up"), *parts])


def _quantiles(of: WorkloadScaleUps) -> Table:
    made = table(
        "phase", "P50", "P90", "P99", "scale-ups", "censored", numbers=("P50", "P90", "P99", "scale-ups", "censored")
    )
    made.add_row("the whole", *_figures(of.latency), style="bold")
    for phase in of.phases:
        made.add_row(phase.label, *_figures(phase))
    return made


def _figures(of: Durations) -> Iterator[str]:
    from maibo_slo.service.pages.scaleup_words import quantile

    for level in (of.p50, of.p90, of.p99):
        yield quantile(level, of.longest)
    yield str(of.count)
    yield str(of.censored or NOTHING)


def _newest(url: str, workload: str, window: str) -> str:
    from maibo_slo.service.scaleup_answers import ScaleUpsAnswer

    asked = {"workload": workload, "window": window, "limit": "1"}
    answer = ask(url, "/v1/scaleups", ScaleUpsAnswer, asked)
    if not answer.scaleups:
        of = f" of {workload}" if workload else ""
        raise ServiceError(
            f"no scale-up{of} was recorded within {window}: see `maibo scaleup list`, or look further back with --window"
        )
    return answer.scaleups[0].id
