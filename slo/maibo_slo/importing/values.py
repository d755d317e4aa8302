"""Values as the tools' own readers take them: what they accept as text may be written as a number, and the other way round."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.durations import window_seconds
from maibo_slo.documents.fields import Text
from maibo_slo.documents.yaml import List, Scalar

if TYPE_CHECKING:
    from maibo_slo.documents.fields import Fields

_DECIMAL: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_PROMETHEUS_DURATION: Final = re.compile(r"(?:[0-9]{1,9}(?:ms|y|w|d|h|m|s))+")
_MILLISECONDS: Final = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 365 * 86_400_000,
}


def text(fields: Fields, name: str, *, required: bool = True) -> str:
    """The field's text; a number is taken as it is written. Empty when absent, which is reported if it is required."""
    node = fields.node.values.get(name)
    if isinstance(node, Scalar) and node.value is not None:
        if required and not node.text.strip():
            fields.error(name, "must not be empty")
        return node.text
    return fields.text(name, default=None if required else "")


def place(fields: Fields, name: str, *, required: bool = True) -> Text:
    """`text`, with where it stands."""
    return Text(text(fields, name, required=required), fields.position(name), fields.path_of(name))


def texts(fields: Fields, name: str) -> dict[str, Text]:
    """Free keys with one scalar each, such as labels, by key; each with where its key stands."""
    found = {}
    for key, at, path, node in fields.pairs(name):
        if isinstance(node, Scalar):
            found[key] = Text("" if node.value is None else node.text, at, path)
        else:
            fields.report.error(at, path, "must be one text")
    return found


def says(fields: Fields, name: str) -> bool:
    """Whether the field is there and not empty: ``labels: {}`` says nothing."""
    node = fields.node.values.get(name)
    if isinstance(node, Scalar):
        return node.value not in (None, "")
    return bool(node and (node.items if isinstance(node, List) else node.values))


def is_a(document: Fields, api_version: str, kind: str) -> bool:
    """Whether the document is a Kubernetes object of that kind, or written as one."""
    return (text(document, "apiVersion", required=False), text(document, "kind", required=False)) == (api_version, kind)


def words(fields: Fields, name: str) -> list[str]:
    """A list of texts; empty when absent."""
    return [one.value for one in fields.texts(name)] if says(fields, name) else []


def decimal(fields: Fields, name: str) -> Decimal | None:
    """A number, with its digits as written; None when it is absent or none, which is reported."""
    written = text(fields, name)
    node = fields.node.values.get(name)
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < 20:
        return value
    if _DECIMAL.fullmatch(written.strip()):
        return Decimal(written.strip())
    if written:
        fields.error(name, f"{written!r} is not a number")
    return None


def spelled(fields: Fields, name: str) -> str:
    """``error_query`` or ``errorQuery``, whichever is there: custom resources have the second.

    >>> from maibo_slo.documents.problems import Position, Report
    >>> from maibo_slo.documents.fields import Fields
    >>> from maibo_slo.documents.yaml import Map
    >>> spelled(Fields(Map(Position("f", 1, 1), {}, {}), "", Report()), "error_query")
    'error_query'
    """
    head, *tail = name.split("_")
    camel = head + "".join(word.capitalize() for word in tail)
    return camel if camel in fields.node.values else name


def milliseconds(duration: str) -> int:
    """A duration of Prometheus: ``1h30m`` -> 5_400_000. ValueError when it is none, or zero.

    >>> milliseconds("1h30m"), milliseconds("200ms")
    (5400000, 200)
    """
    if not _PROMETHEUS_DURATION.fullmatch(duration):
        raise ValueError(duration)
    total = sum(int(number) * _MILLISECONDS[unit] for number, unit in re.findall(r"([0-9]+)(ms|y|w|d|h|m|s)", duration))
    if not total:
        raise ValueError(duration)
    return total


def window(duration: str) -> str:
    """A duration of Prometheus as OpenSLO writes it: as it is where it can be. ValueError when it is none, or no whole minutes.

    >>> window("4w"), window("1w2d"), window("1h30m"), window("1y")
    ('4w', '9d', '90m', '365d')
    """
    try:
        window_seconds(duration)
    except ValueError:
        return window_of(milliseconds(duration))
    if duration[-1] in "MQY":  # OpenSLO's, not Prometheus's
        raise ValueError(duration)
    return duration


def window_of(duration_ms: int) -> str:
    """The window of that length, in the largest unit that divides it. ValueError when it is no whole minutes.

    >>> window_of(2_419_200_000)
    '28d'
    """
    for unit in ("d", "h", "m"):
        if duration_ms > 0 and duration_ms % _MILLISECONDS[unit] == 0:
            return f"{duration_ms // _MILLISECONDS[unit]}{unit}"
    raise ValueError(duration_ms)
