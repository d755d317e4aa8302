"""What a push would change, in words: panel by panel, the lines of a query, the values of a setting.

What Grafana itself counts (``id``, ``version``) is no difference, nor is an empty member that it wrote beside ours, or a null that it left
out. Panels, variables and annotations are matched by their names, so that one that was added does not make all that follow it look changed.
"""

from __future__ import annotations

import json
from collections import Counter
from difflib import unified_diff
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

COUNTED: Final = frozenset({"id", "uid", "version"})
"""Members of a dashboard that are Grafana's, or how it was found."""
_PLACE: Final = frozenset({"id", "gridPos"})
"""Members of a panel that change when another one comes or goes."""
_SHOWN: Final = 70
"""Characters of a value."""


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[str, ...]:
    """Lines of what is there beside what shall be; none when nothing would change."""
    wanted = {key: value for key, value in ours.items() if key not in COUNTED}
    there = _settled({key: value for key, value in theirs.items() if key not in COUNTED}, wanted)
    return () if there == wanted else tuple(map(plain, _of_dashboard(there, wanted)))


def plain(text: str) -> str:
    """Without what a terminal would obey: it may be what somebody wrote there."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _settled(theirs: Any, ours: Any) -> Any:
    """Theirs, without the empty members that ours does not have, and with the nulls that it does: absent says the same."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        said = {key: value for key, value in theirs.items() if key in ours or not _is_empty(value)}
        nulls = dict.fromkeys(key for key, value in ours.items() if value is None)
        return nulls | {key: _settled(value, ours.get(key)) for key, value in said.items()}
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [_settled(one, other) for one, other in zip(theirs, ours, strict=True)]
    return theirs


def _is_empty(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {})


def _of_dashboard(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    lists = {
        "panel": (_list(theirs, "panels"), _list(ours, "panels"), "title"),
        "variable": (_list(theirs, "templating", "list"), _list(ours, "templating", "list"), "name"),
        "annotation": (_list(theirs, "annotations", "list"), _list(ours, "annotations", "list"), "name"),
    }
    rest = {"panels", "templating", "annotations"}
    told = [*_of_values("", _without(theirs, rest), _without(ours, rest))]
    for kind, (there, wanted, name) in lists.items():
        told += _of_named(kind, _named(there, name), _named(wanted, name))
    yield from told or ["other places or numbers of panels"]


def _of_named(kind: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    for name in theirs:
        if name not in ours:
            yield f"- {kind} {name}"
    for name, wanted in ours.items():
        if name not in theirs:
            yield f"+ {kind} {name}"
            continue
        told = [*_of_values("", _without(theirs[name], _PLACE), _without(wanted, _PLACE))]
        if told:
            yield f"~ {kind} {name}"
            yield from (f"    {line}" for line in told)


def _of_values(path: str, theirs: Any, ours: Any) -> Iterator[str]:
    """Of what is not the same, the smallest part."""
    if theirs == ours:
        return
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            yield from _of_values(f"{path}.{key}".lstrip("."), theirs.get(key, _NOTHING), ours.get(key, _NOTHING))
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from _of_values(f"{path}[{index}]", one, other)
    elif isinstance(theirs, str) and isinstance(ours, str) and "\n" in theirs + ours:
        yield f"{path}:"
        lines = unified_diff(theirs.splitlines(), ours.splitlines(), n=1, lineterm="")
        yield from (f"  {line}" for line in [*lines][2:] if not line.startswith("@@"))
    else:
        yield f"{path}: {_short(theirs)} -> {_short(ours)}"


class _Nothing:
    """No such member."""


_NOTHING: Final = _Nothing()


def _short(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _list(document: Mapping[str, Any], *path: str) -> Sequence[Any]:
    value: Any = document
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _named(items: Sequence[Mapping[str, Any]], name: str) -> dict[str, Mapping[str, Any]]:
    """By what people call them; of several of one name, with a number."""
    seen: Counter[str] = Counter()
    named = {}
    for item in items:
        called = json.dumps(item.get(name) or item.get("type") or "", ensure_ascii=False)
        seen[called] += 1
        named[called if seen[called] == 1 else f"{called} ({seen[called]})"] = item
    return named


def _without(document: Mapping[str, Any], keys: frozenset[str] | set[str]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in keys}
