"""``maibo journey explain``. Loaded by every command line: what it needs is imported when it runs."""

# ruff: noqa: RUF001, RUF002 -- a dash and a times sign are typography, not typing errors
from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from maibo_collectors.otlp.explaining.explain import Count, Explained

_STDIN: Final = "-"
_EXAMPLES: Final = """\b
Examples:
  maibo journey explain request.json journeys/
  maibo journey explain traces.jsonl examples/mapped --limit 20
  cat body.gz | maibo journey explain - journeys/ --output json
"""
_STYLES: Final = {
    "counted": "green",
    "started": "green",
    "baseline": "yellow",
    "skewed": "yellow",
    "rejected": "red",
    "ignored": "dim",
}


@click.command(epilog=_EXAMPLES)
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))
@click.argument("documents", nargs=-1)
@click.option("--limit", type=click.IntRange(min=0), default=200, show_default=True, help="So many rows of a table.")
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people or programs.",
)
def explain(file: str, documents: tuple[str, ...], *, limit: int, output: str) -> None:
    """Why a captured request counts, or not.

    For each span, log record and data point: as what it counts, by which rule; or why it does not.

    FILE is the body of a request to /v1/traces, /v1/logs or /v1/metrics, in protobuf or JSON, gzip or not, or what the OpenTelemetry
    Collector's file exporter wrote (a request a line); - is standard input. DOCUMENTS are files or folders with Journey documents. No
    service is asked. Times are judged as if each request had come when most of what it holds ended, and cumulative metrics as if
    nothing of them had come before.
    """
    from maibo_collectors.errors import CollectorError
    from maibo_collectors.otlp.explaining import captured
    from maibo_collectors.otlp.explaining.explain import explain as explained
    from maibo_slo.documents import Catalogue, load
    from maibo_slo.errors import MaiboError

    try:
        catalogue = load(documents) if documents else Catalogue()
        found = list(explained(captured.read(_bytes(file)), catalogue))
    except CollectorError as error:
        raise MaiboError(str(error)) from error
    if output == "json":
        click.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(found, limit)


def _bytes(file: str) -> bytes:
    from maibo_slo.errors import MaiboError

    try:
        return sys.stdin.buffer.read() if file == _STDIN else Path(file).read_bytes()
    except OSError as error:
        raise MaiboError(f"cannot read {file}: {error.strerror}") from error


def _print(found: Sequence[Explained], limit: int) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = Console(highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = max(out.width, 200)  # a pipe has no width: do not fold what goes into a file
    rows = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("service", "what", "result", "as what, or why not"):
        rows.add_column(column, no_wrap=column == "result", overflow="fold")
    for one in islice(found, limit):
        service = _shown(one.item.resource.get("service.name") or "–")
        rows.add_row(service, _shown(_what(one)), Text(one.result, _STYLES[one.result]), _shown(_told(one)))
    out.print(rows if found else "no span, log record or data point in it")
    if len(found) > limit:
        out.print(f"and {len(found) - limit} more: see --limit")
    _print_cells(out, found)


def _print_cells(out: Console, found: Sequence[Explained]) -> None:
    """What they come to together."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    results = Counter(one.result for one in found)
    out.print(f"{len(found)} in all: " + ", ".join(f"{n} {result}" for result, n in results.most_common()))
    cells = _cells(found)
    if not cells:
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("journey", "step", "outcome", "service", "version", "region", "tier", "at (UTC)", "latency", "n"):
        table.add_column(column, justify="right" if column == "n" else "left", overflow="fold")
    for count in cells:
        one = count.series
        names = (
            one.journey,
            one.step or "(whole)",
            one.outcome or "(start)",
            one.service,
            one.version,
            one.region,
            one.tier,
        )
        table.add_row(*map(_shown, names), f"{_time(count.t):%Y-%m-%d %H:%M:%S}", _latency(count), str(count.n))
    out.print(table)


def _cells(found: Iterable[Explained]) -> list[Count]:
    """Each cell once, in order of time and name; of histograms, all bins of the same end and names together."""
    sums: Counter[tuple[Any, ...]] = Counter()
    bins: defaultdict[tuple[Any, ...], Counter[int]] = defaultdict(Counter)
    first: dict[tuple[Any, ...], Count] = {}
    for count in (count for one in found for count in one.counts if one.result != "skewed"):
        key = (count.t, *count.series, not count.bins, -1 if count.bin is None else count.bin)
        sums[key] += count.n
        bins[key].update(dict(count.bins))
        first.setdefault(key, count)
    return [first[key]._replace(n=sums[key], bins=tuple(sorted(bins[key].items()))) for key in sorted(first)]


def _what(one: Explained) -> str:
    kinds = ("", "internal", "server", "client", "producer", "consumer")
    kind = kinds[one.item.kind] if 0 < one.item.kind < len(kinds) else ""
    return f"{one.item.name or one.item.signal}{kind and f' ({kind})'}"


def _told(one: Explained) -> str:
    """``checkout/pay (success, vip) in 118–120 ms at 08:00:00, by shop.yaml:12``, for each place; then what else is to be said."""
    return "; ".join(filter(None, (*map(_place, one.counts), one.why)))


def _place(count: Count) -> str:
    one = count.series
    names = ", ".join(filter(None, (one.outcome or "start", one.tier, one.variant)))
    several = "" if count.n == 1 else f"{count.n} × "
    latency = f" in {_latency(count)}" if count.bins or count.bin is not None else ""
    step = one.step and f"/{one.step}"
    since = "" if count.since is None or count.since == count.t else f"{_time(count.since):%H:%M:%S}–"
    return f"{several}{one.journey}{step} ({names}){latency} at {since}{_time(count.t):%H:%M:%S}, by {_by(count)}"


def _by(count: Count) -> str:
    from maibo_collectors.otlp.explaining.explain import at

    return at(count.rule) if count.rule else "its journey.name"


def _latency(count: Count) -> str:
    """The bin; of a histogram the first to the last one, and quantiles as the store has them."""
    if count.bin is not None:
        return _bins(count.bin, count.bin)
    if not count.bins:
        return "–"
    p50, p99 = (_duration(float(f"{(each or 0) * 1_000:.3g}")) for each in _quantiles(count))
    return f"{_bins(count.bins[0][0], count.bins[-1][0])} (P50 {p50}, P99 {p99})"


def _bins(first: int, last: int) -> str:
    """Above the lower edge of the first, up to the upper one of the last."""
    from maibo_slo.store.edges import EDGES_NS

    lower = _duration(EDGES_NS[first - 1]) if first else "0"
    if last >= len(EDGES_NS):
        return f"> {lower}"
    upper = _duration(EDGES_NS[last])
    if not first:
        return f"≤ {upper}"
    return f"{lower.removesuffix(upper.lstrip('0123456789.'))}–{upper}"


def _quantiles(count: Count) -> tuple[float | None, ...]:
    from maibo_slo.store.histogram import Histogram

    return Histogram.from_bins(*zip(*count.bins, strict=True)).quantiles(0.5, 0.99)


def _duration(ns: float) -> str:
    unit, size = next(
        (unit, size)
        for unit, size in (("s", 10**9), ("ms", 10**6), ("µs", 10**3), ("ns", 1))
        if ns >= size or size == 1
    )
    return f"{ns / size:g} {unit}"


def _time(t: int) -> datetime:
    return datetime.fromtimestamp(t, UTC)


def _shown(text: str) -> str:
    """On one line, without what a terminal would obey."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _as_json(found: Sequence[Explained]) -> dict[str, Any]:
    results = Counter(one.result for one in found)
    return {
        "total": len(found),
        "results": dict(sorted(results.items())),
        "items": [
            {
                "signal": one.item.signal,
                "service": one.item.resource.get("service.name", ""),
                "name": one.item.name,
                "kind": one.item.kind,
                "trace_id": one.item.trace_id,
                "span_id": one.item.span_id,
                "result": one.result,
                "why": one.why,
                "counts": [_count_as_json(count) for count in one.counts],
            }
            for one in found
        ],
        "cells": [_count_as_json(count, rule=False) for count in _cells(found)],
    }


def _count_as_json(count: Count, *, rule: bool = True) -> dict[str, Any]:
    by = {"file": count.rule.file, "line": count.rule.line} if count.rule else None
    said = {**count.series._asdict(), "t": count.t, "bin": count.bin, "n": count.n}
    if count.bins:
        p50_us, p99_us = _quantiles(count)
        said |= {"since": count.since, "bins": dict(count.bins), "p50_us": p50_us, "p99_us": p99_us}
    return said | ({"rule": by} if rule else {})
