"""How far each SLO was asked for, over a restart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_slo.engine.spans import Span
from maibo_slo.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT: Final = 1


class Remembered(NamedTuple):
    """Of one SLO: from which source for which objectives, and the spans that were asked for."""

    meaning: str
    asked: tuple[Span, ...]


def recall(path: Path, *, store: str) -> dict[str, Remembered]:
    """What is remembered about this store, by SLO; nothing when the file is missing, damaged or about another store."""
    try:
        said = json.loads(path.read_text())
        if said["format"] != FORMAT or said["store"] != store:
            return {}
        return {
            name: Remembered(str(one["meaning"]), tuple(Span(int(begin), int(end)) for begin, end in one["asked"]))
            for name, one in said["feeds"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # everything is asked for once more


def remember(path: Path, feeds: Mapping[str, Remembered], *, store: str) -> None:
    """Replace the file as a whole."""
    said = {"format": FORMAT, "store": store, "feeds": {name: feed._asdict() for name, feed in feeds.items()}}
    replace_file(path, json.dumps(said))
