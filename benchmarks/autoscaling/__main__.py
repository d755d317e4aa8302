"""Autoscaling, replayed: the same demand through the HPA, KEDA, schedules, an oracle and maibo's engine.

    python -m benchmarks.autoscaling                                  # made demand: days, weeks and flash crowds
    python -m benchmarks.autoscaling --trace FILE --trace FILE        # recorded demand
    python -m benchmarks.autoscaling --trace-dir DIR --plot pictures --json

Of a long trace two days are replayed unless `--days` says otherwise: the busiest and an ordinary one; with `--held-out 3` days that the defaults
were not chosen on. Seeded: same seed, same answer. README.md beside this file tells what is modelled, from which sources, and what is not. The exit
code does not say whether goals are met: the table does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # before numpy: small matrices, for which threads only wait for each other

from benchmarks.autoscaling.cluster import Room
from benchmarks.autoscaling.ours import CHANGEABLE
from benchmarks.autoscaling.pictures import draw
from benchmarks.autoscaling.printing import as_json, show, show_goals
from benchmarks.autoscaling.service import Service
from benchmarks.autoscaling.startup import CLUSTER_AUTOSCALER, KARPENTER
from benchmarks.autoscaling.strategies import strategies
from benchmarks.autoscaling.study import Studied, goals, replay_all, study, tasks
from benchmarks.autoscaling.traces import Trace, UnreadableTrace, made, read
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.autoscaling.replay import Outcome
    from benchmarks.autoscaling.study import Task
    from benchmarks.autoscaling.world import Named, Unsuited

    Replayed = dict[str, Outcome | Unsuited]

DAYS, HELD_OUT = 2, 3
WIDTH = 120
NODES = {"karpenter": KARPENTER, "cluster-autoscaler": CLUSTER_AUTOSCALER}
SUFFIXES = (".csv", ".txt")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    err = Console(stderr=True)
    try:
        traces = _traces(arguments)
        chosen = _chosen(arguments)
    except (UnreadableTrace, ValueError, OSError) as error:
        err.print(f"autoscaling: {error}", style="red")
        return 2
    planned = [_planned(trace, chosen, arguments, err) for trace in traces]
    out = Console(width=None if sys.stdout.isatty() else WIDTH)
    done: list[Studied] = []
    for found in _studied([of for of in planned if of], arguments.jobs):
        if arguments.plot is not None:
            draw(arguments.plot, found, Service().per_second)
        done.append(replace(found, outcomes={}))  # some hundred MB
        if not arguments.json:
            show(out, found)
    if arguments.json:
        sys.stdout.write(json.dumps(as_json(done, arguments.seed), indent=1) + "\n")
    else:
        show_goals(out, [goal for each in done for goal in goals(each)])
    return 0


def _planned(trace: Trace, chosen: Sequence[Named], arguments: argparse.Namespace, err: Console) -> list[Task]:
    room = Room(NODES[arguments.nodes])
    days, held_out = arguments.days, arguments.held_out
    found = tasks(trace, chosen, service=Service(), room=room, seed=arguments.seed, days=days, held_out=held_out)
    if not found:
        err.print(f"{trace.name}: no day of it is held out", style="yellow")
    return found


def _studied(planned: Sequence[Sequence[Task]], jobs: int) -> Iterator[Studied]:
    """Each trace once its days are done; days are done in their order, in as many processes."""
    with _mapped(jobs) as mapped:
        replayed = mapped(partial(replay_all, tell=_tell), [task for of in planned for task in of])
        for of in planned:
            yield study(of, [next(replayed) for _ in of])


def _tell(line: str) -> None:
    """Progress, from any process: minutes pass before the first table."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def _mapped(jobs: int) -> Iterator[Callable[[Callable[[Task], Replayed], Sequence[Task]], Iterator[Replayed]]]:
    """`map`, in as many processes."""
    if jobs == 1:
        yield map
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield pool.map


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="autoscaling",
        description="Autoscaling, replayed on recorded or made demand.",
        epilog="How to read the columns: benchmarks/autoscaling/README.md, 'How to read the tables'.",
    )
    parser.add_argument(
        "--trace",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="CSV of time and count, or a rate a line",
    )
    parser.add_argument("--trace-dir", type=Path, metavar="DIR", help=f"every {' and '.join(SUFFIXES)} in it")
    parser.add_argument("--strategies", metavar="A,B", help=f"these alone: {', '.join(strategies())}")
    parser.add_argument("--days", type=_days, default=DAYS, metavar="N|all", help="of each trace (%(default)s)")
    parser.add_argument("--held-out", type=_number, default=0, metavar="N", help=f"none of the days that --days 1 to N would take; maibo's defaults were tried on --days 2 and 3, so {HELD_OUT} replays others")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--jobs", type=_number, default=1, metavar="N", help="processes (%(default)s)")
    parser.add_argument(
        "--nodes", choices=sorted(NODES), default="karpenter", help="how quickly a node comes (%(default)s)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=f"change one of maibo's parameters: {', '.join(CHANGEABLE)}")  # fmt: skip
    parser.add_argument("--plot", type=Path, metavar="DIR", help="write pictures (SVG) there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _days(text: str) -> int | None:
    return None if text == "all" else _number(text)


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


def _traces(arguments: argparse.Namespace) -> list[Trace]:
    paths = list(arguments.trace)
    if arguments.trace_dir is not None:
        paths += sorted(path for path in arguments.trace_dir.iterdir() if path.suffix in SUFFIXES)
        if not paths:
            raise UnreadableTrace(f"{arguments.trace_dir}: no {' or '.join(SUFFIXES)} in it")
    return [read(path) for path in paths] or [made(arguments.seed)]


def _chosen(arguments: argparse.Namespace) -> list[Named]:
    changes = {}
    for each in arguments.set:
        name, _, value = each.partition("=")
        if name not in CHANGEABLE:
            raise ValueError(f"--set {each}: what can be changed is {', '.join(CHANGEABLE)}")
        changes[name] = float(value)
    known = strategies(changes)
    if arguments.strategies is None:
        return list(known.values())
    names = arguments.strategies.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no strategy {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names]


if __name__ == "__main__":
    raise SystemExit(main())
