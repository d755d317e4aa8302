"""``make preview``: the dashboards, drawn with Grafana's own components over a past that maibo counted; see README.md.

python -m dashboards.preview                          # all, into dashboards/preview/dist/pictures
python -m dashboards.preview --out docs/images        # those that the docs show
python -m dashboards.preview --board journeys --fresh
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Final

from maibo_dashboards import boards
from maibo_dashboards.render import render
from maibo_slo.documents import Catalogue, load
from maibo_slo.store import open_store

from . import frames, past, shots

HERE: Final = Path(__file__).parent
SHOP: Final = HERE.parents[1] / "examples" / "shop"
DATA, DIST = HERE / "data", HERE / "dist"
BOARDS: Final = {
    "journeys": "journeys",
    "journey": "journey-checkout",
    "scaling": "scaling",
    "pulse": "pulse",
    "itself": "itself",
}
"""Name of the picture -> of the dashboard."""
REACH: Final = {"scaling": "now-6h"}
"""Where the past that was made is shorter than what the dashboard shows at first."""
UPTO: Final = {"journey": "By version, tier and region"}
"""The heading at which a long dashboard's picture ends."""


def main() -> None:
    parser = argparse.ArgumentParser(description="The dashboards, drawn with Grafana's own components.")
    parser.add_argument("--board", choices=BOARDS, action="append", help="one of them; all where nothing is said")
    parser.add_argument("--out", type=Path, default=DIST / "pictures", help="(%(default)s)")
    parser.add_argument("--fresh", action="store_true", help="make the past anew (a quarter of an hour)")
    arguments = parser.parse_args()
    if arguments.fresh:
        shutil.rmtree(DATA, ignore_errors=True)
    names = arguments.board or list(BOARDS)
    write(documents(), names)
    draw(names, arguments.out)


def documents() -> Catalogue:
    return load([SHOP, HERE / "documents.yaml"])


def write(catalogue: Catalogue, names: list[str]) -> None:
    """What the app draws, as scripts: a page from a file may load no JSON."""
    dsn, end = past.made(DATA, catalogue)
    (DIST / "data").mkdir(parents=True, exist_ok=True)
    every = {name: json.loads(render(board)) for name, board in boards.every(catalogue)}
    with open_store(dsn) as store:
        for name in names:
            document = cut(every[BOARDS[name]], UPTO.get(name))
            view = frames.opened(store, document, end=end, reach=REACH.get(name, ""))
            text = json.dumps(frames.told(store, view), separators=(",", ":"))
            (DIST / "data" / f"{name}.js").write_text(f"window.board={text}\n")


def cut(document: frames.Json, heading: str | None) -> frames.Json:
    """The part above a heading."""
    below = [panel["gridPos"]["y"] for panel in document["panels"] if heading and panel["title"] == heading]
    kept = [panel for panel in document["panels"] if not below or panel["gridPos"]["y"] < below[0]]
    return {**document, "panels": kept}


def draw(names: list[str], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with shots.browser() as driver:
        for name in names:
            for theme, suffix in (("light", ""), ("dark", "-dark")):
                shots.kept(shots.shot(driver, DIST / "index.html", name, theme), out / f"grafana-{name}{suffix}.png")
        for each in shots.complaints(driver):
            sys.stderr.write(f"{each}\n")


if __name__ == "__main__":
    main()
