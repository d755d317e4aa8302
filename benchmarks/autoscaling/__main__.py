"""Autoscaling, replayed: the same demand through the HPA, KEDA, schedules, an oracle and maibo's engine.

    python -m benchmarks.autoscaling                                  # made demand: days, weeks and flash crowds
    python -m benchmarks.autoscaling --trace FILE --trace FILE        # recorded demand
    python -m benchmarks.autoscaling --trace-dir DIR --plot pictures --json

Of a long trace two days are replayed unless `--days` says otherwise: the busiest and an ordinary one. Seeded: same seed, same answer. README.md
beside this file tells what is modelled, from which sources, and what is not. The exit code does not say whether goals are met: the table does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # before numpy: small matrices, for which threads only wait for each other

from benchmarks.autoscaling.cluster import Room
from benchmarks.autoscaling.ours import CHANGEABLE
from benchmarks.autoscaling.pictures import draw
from benchmarks.autoscaling.printing import as_json, show, show_goals
from benchmarks.autoscaling.service import Law, Service
from benchmarks.autoscaling.startup import CLUSTER_AUTOSCALER, KARPENTER
from benchmarks.autoscaling.strategies import strategies
from benchmarks.autoscaling.study import Studied, goals, study
from benchmarks.autoscaling.traces import Trace, UnreadableTrace, made, read
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.autoscaling.world import Named

DAYS = 2
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
    law, room = Law(Service()), Room(NODES[arguments.nodes])
    out = Console(width=None if sys.stdout.isatty() else 200)
    done: list[Studied] = []
    with err.status("replaying") as status:
        for trace in traces:
            found = study(
                trace, chosen, law=law, room=room, seed=arguments.seed, days=arguments.days, progress=status.update
            )
            done.append(found)
            if arguments.plot is not None:
                draw(arguments.plot, found, law.service.per_second)
            if not arguments.json:
                show(out, found)
    if arguments.json:
        sys.stdout.write(json.dumps(as_json(done, arguments.seed), indent=1) + "\n")
    else:
        show_goals(out, [goal for each in done for goal in goals(each)])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="autoscaling", description="Autoscaling, replayed on recorded or made demand."
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
    parser.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument(
        "--nodes", choices=sorted(NODES), default="karpenter", help="how quickly a node comes (%(default)s)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=f"change one of maibo's parameters: {', '.join(CHANGEABLE)}")  # fmt: skip
    parser.add_argument("--plot", type=Path, metavar="DIR", help="write pictures (SVG) there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _days(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of days nor all")
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
