"""``maibo journey explain``. Loaded by every command line: what it needs is imported when it runs."""

# ruff: noqa: RUF001, RUF002 -- a dash and a times sign are typography, not typing errors
from __future__ import annotations

import json
import sys
from collections import Counter
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
_STYLES: Final = {"counted": "green", "started": "green", "skewed": "yellow", "rejected": "red", "ignored": "dim"}


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
    service is asked. Times are judged as if each request had come when most of what it holds ended.
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
        table.add_row(*map(_shown, names), f"{_time(count):%Y-%m-%d %H:%M:%S}", _latency(count), str(count.n))
    out.print(table)


def _cells(found: Iterable[Explained]) -> list[Count]:
    """Each cell once, in order of time and name."""
    sums: Counter[tuple[Any, ...]] = Counter()
    first: dict[tuple[Any, ...], Count] = {}
    for count in (count for one in found for count in one.counts if one.result != "skewed"):
        key = (count.t, *count.series, count.bin)
        sums[key] += count.n
        first.setdefault(key, count)
    ordered = sorted(first, key=lambda key: (*key[:-1], -1 if key[-1] is None else key[-1]))
    return [first[key]._replace(n=sums[key]) for key in ordered]


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
    latency = "" if count.bin is None else f" in {_latency(count)}"
    step = one.step and f"/{one.step}"
    return f"{several}{one.journey}{step} ({names}){latency} at {_time(count):%H:%M:%S}, by {_by(count)}"


def _by(count: Count) -> str:
    from maibo_collectors.otlp.explaining.explain import at

    return at(count.rule) if count.rule else "its journey.name"


def _latency(count: Count) -> str:
    """The bin: above the lower edge, up to the upper one."""
    if count.bin is None:
        return "–"
    from maibo_slo.store.edges import EDGES_NS

    if count.bin == 0:
        return f"≤ {_duration(EDGES_NS[0])}"
    if count.bin >= len(EDGES_NS):
        return f"> {_duration(EDGES_NS[-1])}"
    lower, upper = _duration(EDGES_NS[count.bin - 1]), _duration(EDGES_NS[count.bin])
    return f"{lower.removesuffix(upper.lstrip('0123456789.'))}–{upper}"


def _duration(ns: int) -> str:
    unit, size = next((unit, size) for unit, size in (("s", 10**9), ("ms", 10**6), ("µs", 10**3)) if ns >= size)
    return f"{ns / size:g} {unit}"


def _time(count: Count) -> datetime:
    return datetime.fromtimestamp(count.t, UTC)


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
    return {**count.series._asdict(), "t": count.t, "bin": count.bin, "n": count.n, **({"rule": by} if rule else {})}
