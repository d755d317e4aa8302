"""Objects of the API server, read with suspicion: a field that is missing or of another type is absent, never an exception.

Only what nothing can be known without raises, as ValueError: its object is counted as unreadable.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.store.scaleups import Moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST_TEXT: Final = 1_000
MOST: Final = 10_000_000
"""Replicas, generations' steps and counts beyond are nonsense."""
_FROM: Final = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_TO: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h)")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def part(value: object, *path: str) -> Any:
    """What is at this path of mappings; None if there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text(value: object, *path: str) -> str:
    """The text there, cut to `LONGEST_TEXT` and fit for UTF-8; empty if there is none."""
    found = part(value, *path)
    return found[:LONGEST_TEXT].encode("utf-8", "replace").decode() if isinstance(found, str) else ""


def whole(value: object, *path: str) -> int | None:
    """The whole number there, if it is one of 0 to `MOST`."""
    found = part(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= MOST else None


def each(value: object, *path: str) -> Iterator[Mapping[str, Any]]:
    """The mappings in the list there."""
    found = part(value, *path)
    if isinstance(found, list):
        yield from (item for item in found if isinstance(item, dict))


def required(value: object, *path: str) -> str:
    """The text there. ValueError without one."""
    found = text(value, *path)
    if not found:
        raise ValueError(f"no {'.'.join(path)}")
    return found


def sane(seconds: float) -> bool:
    """Whether it may be a time, unix s: of this century."""
    return _FROM <= seconds < _TO


def moment(value: object, *path: str, source: str, received: float | None = None) -> Moment | None:
    """The time there (RFC 3339): to the second as the API server writes most, so [t, t + 1], or with fractions."""
    found = part(value, *path)
    if not isinstance(found, str) or len(found) > 40:
        return None
    try:
        at = datetime.fromisoformat(found)
        seconds = at.timestamp() if at.tzinfo is not None else -1.0
    except (ValueError, OverflowError):
        return None
    if not sane(seconds):
        return None
    return Moment(seconds, seconds if "." in found else seconds + 1.0, received, source)


def duration_seconds(written: str) -> float | None:
    """A duration as Go writes it: ``1m2.3s``, ``796ms``. None for what is none."""
    parts = _DURATION.findall(written)
    if not parts or "".join(number + unit for number, unit in parts) != written:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def controller(item: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and name of the owner that controls it; empty texts without one."""
    for owner in each(item, "metadata", "ownerReferences"):
        if owner.get("controller") is True:
            return text(owner, "kind"), text(owner, "name")
    return "", ""


def newer(item: Mapping[str, Any], seen: int) -> int | None:
    """The object's resourceVersion, if it is not older than the one seen; 0 where it is no number. None: it is older."""
    written = text(item, "metadata", "resourceVersion")
    if not (written.isascii() and written.isdigit()):
        return seen
    version = int(written)
    return version if version >= seen else None
