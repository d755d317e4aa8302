"""How good forecasts of demand are on real traffic: against persistence and against yesterday, at lead times of 1 to 60 minutes.

    python benchmarks/forecasts.py --trace-dir TRACES             # a table, some minutes
    python benchmarks/forecasts.py --trace-dir TRACES --trace crane_dsp_input9 --json

Traces are CSV files with a column of times (unix s, or ISO 8601) and one of numbers, by the minute or coarser; of a coarser one the minutes between are on
the line between two points, and it is asked on its points alone, at lead times that are multiples of its step. Each is replayed: from the third
day on, models are chosen and fitted once a day (a service does so every hour) on the 15 days before, and asked every 7 minutes. Every forecast sees
only what was before it.

What is told of each trace and lead time: how often the gate let the forecast act, and by which model mostly; the pinball loss of the P90, in
thousandths of the trace's mean, of maibo (its own model where it acts, persistence where it abstains), of persistence (the last minute) and of
the day-naive forecast (the same minute of yesterday), each with its own empirical spread; the coverage of maibo's P90 and P99; the
share of all calls that came beyond the P90 (under), of maibo and of persistence.

    python benchmarks/forecasts.py --trace-dir TRACES --library   # beside statsforecast's MSTL, where that is installed

With ``--library``, 32 moments of each trace's last weeks, two and a half hours and a bit apart: MSTL of a day's season on the week of 5-minute means before each, against maibo as
above, on the minutes that came.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from maibo_slo.engine.forecasting import forecast, gate_of
from maibo_slo.engine.forecasting.gate import LEARNED_MINUTES, pinball
from maibo_slo.engine.forecasting.series import DAY_MINUTES, offset_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

LEADS: Final = (1, 5, 10, 60)
"""Minutes."""
QUANTILE: Final = 0.9
LEVELS: Final = (0.5, QUANTILE, 0.99)
FIRST: Final = 2 * DAY_MINUTES
MOMENTS: Final = 32
APART: Final = 157
"""Minutes between them."""
WEEK: Final = 7 * DAY_MINUTES
ASK_EVERY: Final = 7
"""Minutes: a prime, so that nothing that recurs by the clock is always met in the same place."""


@dataclass(frozen=True, slots=True)
class Trace:
    name: str
    rates: NDArray[np.float64]
    """By the minute; NaN is not known."""
    step: int
    """Minutes between two points of the file."""


@dataclass(frozen=True, slots=True)
class Row:
    trace: str
    lead_minutes: int
    asked: int
    acted: float
    model: str
    """That acted most often; '' where none ever did."""
    pinball: float
    persistence: float
    day_naive: float
    coverage_90: float
    coverage_99: float
    under: float
    persistence_under: float
    wape: float
    """Of the median."""
    ask_ms: float
    fit_ms: float
    """CPU, medians."""


def main() -> None:
    parser = argparse.ArgumentParser(description="How good forecasts are on real traffic.")
    parser.add_argument("--trace-dir", type=Path, required=True, help="folder of CSV files")
    parser.add_argument("--trace", action="append", help="only this file, without .csv; may be given several times")
    parser.add_argument("--library", action="store_true", help="compare with statsforecast instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    paths = [
        path for path in sorted(arguments.trace_dir.glob("*.csv")) if path.stem in (arguments.trace or [path.stem])
    ]
    if arguments.library:
        beside_library([load(path) for path in paths])
        return
    rows: list[Row] = []
    if not arguments.json:
        print(
            "| trace | lead | acts | model | pinball | persistence | day-naive | P90 covers | P99 covers | under | of persistence |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|---|")
    for path in paths:
        trace = load(path)
        for lead in LEADS:
            if lead % trace.step == 0:
                rows.append(replay(trace, lead))
                if not arguments.json:
                    print(line(rows[-1]), flush=True)
    if arguments.json:
        print(json.dumps({"rows": [asdict(row) for row in rows]}))
    elif rows:
        fit, ask = (float(np.median([getattr(row, name) for row in rows])) for name in ("fit_ms", "ask_ms"))
        print(f"\nfitting {fit:.0f} ms, asking {ask:.2f} ms (CPU, medians)")


def line(row: Row) -> str:
    return (
        f"| {row.trace} | {row.lead_minutes} min | {row.acted:.0%} | {row.model or '-'} | {row.pinball:.1f} | {row.persistence:.1f} "
        f"| {row.day_naive:.1f} | {row.coverage_90:.1%} | {row.coverage_99:.1%} | {row.under:.2%} | {row.persistence_under:.2%} |"
    )


def load(path: Path) -> Trace:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    minutes = np.array([_unix(when) for when, _ in rows]) // 60
    minutes -= minutes[0]
    values = np.array([float(value) for _, value in rows])
    step = int(np.median(np.diff(minutes)))
    if step > 1:
        return Trace(path.stem, np.interp(np.arange(minutes[-1] + 1), minutes, values), step)
    rates = np.full(int(minutes[-1]) + 1, np.nan)
    rates[minutes.astype(int)] = values
    return Trace(path.stem, rates, step)


def _unix(text: str) -> float:
    return float(text) if text.isdecimal() else datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def replay(trace: Trace, lead: int) -> Row:
    parts = list(_days(trace, lead))
    said, persistence, naive = (np.concatenate([part[index] for part in parts]) for index in range(3))
    came = np.concatenate([part[3] for part in parts])
    models = Counter(model for part in parts for model in part[4])
    acted = {model: count for model, count in models.items() if model}
    scale = 1000 / float(np.nanmean(trace.rates))
    return Row(
        trace=trace.name,
        lead_minutes=lead,
        asked=len(came),
        acted=sum(acted.values()) / len(came),
        model=max(acted, key=lambda model: acted[model], default=""),
        pinball=float(pinball(came, said[:, 1], QUANTILE).mean()) * scale,
        persistence=float(pinball(came, persistence, QUANTILE).mean()) * scale,
        day_naive=float(pinball(came, naive, QUANTILE).mean()) * scale,
        coverage_90=float((came <= said[:, 1] * (1 + 1e-9)).mean()),
        coverage_99=float((came <= said[:, 2] * (1 + 1e-9)).mean()),
        under=float(np.maximum(came - said[:, 1], 0).sum() / came.sum()),
        persistence_under=float(np.maximum(came - persistence, 0).sum() / came.sum()),
        wape=float(np.abs(came - said[:, 0]).sum() / came.sum()),
        ask_ms=float(np.median([part[5] for part in parts])),
        fit_ms=float(np.median([part[6] for part in parts])),
    )


Day = tuple[
    "NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]", list[str], float, float
]
"""Quantiles said, persistence, day-naive, what came, the models that acted ('' where the gate abstained), ms of asking and of fitting."""


def _days(trace: Trace, lead: int) -> Iterator[Day]:
    rates, offset = trace.rates, offset_of(trace.rates)
    every = max(ASK_EVERY, trace.step)
    for day in range(FIRST, len(rates) - lead, DAY_MINUTES):
        # A history of so many minutes ends with minute `at`, which is a point of a coarse trace.
        asked = [at for at in range(day, min(day + DAY_MINUTES, len(rates) - lead)) if at % every == 0]
        asked = [at for at in asked if not np.isnan(rates[at]) and not np.isnan(rates[at + lead])]
        if not asked:
            continue
        history = rates[max(0, day - LEARNED_MINUTES) : day]
        began = time.process_time()
        gate = gate_of(history, now=60.0 * day, lead_seconds=60.0 * lead, levels=LEVELS, quantile=QUANTILE)
        fitted = time.process_time()
        made = [
            forecast(
                rates[max(0, at + 1 - LEARNED_MINUTES) : at + 1],
                now=60.0 * (at + 1),
                lead_seconds=60.0 * lead,
                levels=LEVELS,
                gate=gate,
            )
            for at in asked
        ]
        done = time.process_time()
        places = np.array(asked)
        yesterday = rates[places + lead - DAY_MINUTES]
        yesterday = np.where(np.isnan(yesterday), rates[places], yesterday)
        yield (
            np.array([[each.quantiles[level] for level in LEVELS] for each in made]),
            rates[places] * _spread(history, lead, offset),
            yesterday * _spread(history, DAY_MINUTES, offset),
            rates[places + lead],
            ["" if each.abstained else each.model for each in made],
            (done - fitted) * 1000 / len(made),
            (fitted - began) * 1000,
        )


def _spread(history: NDArray[np.float64], minutes: int, offset: float) -> float:
    """The quantile of growth over so many minutes."""
    before, after = history[:-minutes] + offset, history[minutes:] + offset
    return float(np.nanquantile(after / before, QUANTILE))


def beside_library(traces: Sequence[Trace]) -> None:
    """A table: pinball loss of the P90 in thousandths of the mean, and coverage; CPU of importing and of one forecast."""
    began = time.process_time()
    try:
        from statsforecast.models import MSTL  # type: ignore[import-not-found, unused-ignore]  # not installed with maibo
    except ImportError:
        sys.exit("statsforecast is not installed: pip install statsforecast, in an environment of its own")
    print(f"importing statsforecast: {time.process_time() - began:.1f} s of CPU\n")
    print("| trace | lead | maibo | MSTL | maibo covers | MSTL covers |")
    print("|---|---|---|---|---|---|")
    spent: dict[str, list[float]] = {"maibo": [], "MSTL": []}
    for trace in traces:
        known = ~np.isnan(trace.rates)
        # A library takes no gaps: they are on the line between what is known.
        rates = np.interp(np.arange(len(known)), np.flatnonzero(known), trace.rates[known])
        leads = [lead for lead in LEADS[1:] if lead % trace.step == 0]
        last = len(rates) - 60
        if trace.step > 1:
            last -= last % trace.step
        apart = APART if trace.step == 1 else 5 * trace.step
        moments = [at for at in range(last, 0, -apart)[:MOMENTS] if at >= WEEK]
        found: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for at in moments:
            began = time.process_time()
            said = MSTL(season_length=[288]).forecast(
                y=rates[at - WEEK : at].reshape(-1, 5).mean(axis=1), h=12, level=[80]
            )
            spent["MSTL"].append(time.process_time() - began)
            for lead in leads:
                came = float(rates[at + lead - 1])
                found.setdefault(("MSTL", lead), []).append((came, float(said["hi-80"][lead // 5 - 1])))
                began = time.process_time()
                made = forecast(rates[max(0, at - LEARNED_MINUTES) : at], now=60.0 * at, lead_seconds=60.0 * lead)
                spent["maibo"].append(time.process_time() - began)
                found.setdefault(("maibo", lead), []).append((came, made.quantiles[QUANTILE]))
        for lead in leads:
            (loss, covers), (its_loss, it_covers) = (
                _judged(found[name, lead], float(rates.mean())) for name in ("maibo", "MSTL")
            )
            print(
                f"| {trace.name} | {lead} min | {loss:.1f} | {its_loss:.1f} | {covers:.0%} | {it_covers:.0%} |",
                flush=True,
            )
    print(
        "\nchoosing, fitting and asking, CPU: "
        + ", ".join(f"{name} {np.median(each):.2f} s" for name, each in spent.items())
    )


def _judged(pairs: Sequence[tuple[float, float]], mean: float) -> tuple[float, float]:
    came, said = np.array(pairs).T
    return float(pinball(came, said, QUANTILE).mean()) * 1000 / mean, float((came <= said).mean())


if __name__ == "__main__":
    main()
