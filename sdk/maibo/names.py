"""Names and other short texts that become attribute values: cleaned, bounded in length and in number.

Each different value of an attribute is a series somewhere downstream, and a name built from an order id would make one a
customer. So every attribute has a `Names` that admits a limited number of different texts; what comes after is `OTHER`.
With a catalogue, what it does not declare is `UNDECLARED`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, cast

from maibo import problems

if TYPE_CHECKING:
    from collections.abc import Iterable

OTHER: Final = "_other"
UNDECLARED: Final = "_undeclared"
UNNAMED: Final = "_unnamed"
LONGEST: Final = 128
IN_DOCUMENTS: Final = re.compile(r"(?=.{1,63}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
"""What a ``Journey`` document may be named."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def clean(text: object, longest: int = LONGEST) -> str:
    """`text` without control characters and lone surrogates, stripped, at most `longest` characters."""
    raw = text if isinstance(text, str) else str(text)
    return _CONTROLS.sub(" ", raw[: longest * 2]).strip()[:longest].rstrip()


class Names:
    """The texts admitted for one attribute: the first `limit` different ones, and those that `besides` admitted already.

    Whether they have the `form` is only told.
    """

    __slots__ = ("_besides", "_declared", "_form", "_known", "_limit", "_what")

    def __init__(
        self,
        what: str,
        limit: int,
        declared: Iterable[str] | None = None,
        *,
        besides: Names | None = None,
        form: re.Pattern[str] | None = None,
    ) -> None:
        self._what = what
        self._besides = besides
        self._form = form
        self._limit = limit
        self._declared = None if declared is None else frozenset(declared)
        self._known: dict[str, str] = {}

    def admit(self, raw: str) -> str:
        """The text to use for `raw`: itself, cleaned, or `OTHER`, `UNDECLARED`, `UNNAMED`."""
        if not isinstance(raw, str):
            raw = str(raw)  # not every host is typed
        known = self._known.get(raw)
        if known is None and self._besides is not None:
            known = self._besides._known.get(raw)  # noqa: SLF001 -- another of the same class
        return self._meet(raw) if known is None else known

    def _meet(self, raw: str) -> str:
        name = clean(raw) or UNNAMED
        if self._declared is not None and name not in self._declared:
            problems.noticed(
                problems.NAMES_REPLACED,
                f"maibo: {self._what} %r is not declared, and counted as {UNDECLARED}: correct the name%s, or add it to a "
                "Journey document, and that to the catalogue given to configure()",
                name,
                _NearMiss(name, self._declared),
            )
            return UNDECLARED
        if len(self._known) >= self._limit:
            problems.noticed(
                problems.NAMES_REPLACED,
                f"maibo: more than {self._limit} different {self._what} names, from %r on: {OTHER}. Is an id in the name?",
                name,
            )
            return OTHER
        if self._form is not None and not self._form.fullmatch(name):
            problems.tell(
                f"maibo: no document can name the {self._what} %r: no SLO will apply to it. Names there have at most 63 "
                "lower-case letters, digits and '-', with a letter or digit at both ends (told once, for the first such name)",
                name,
            )
        self._known[raw] = name
        return name


@dataclass(frozen=True, slots=True)
class _NearMiss:
    """Looked for when it is told, which is once: a service may call an undeclared name often."""

    name: str
    declared: frozenset[str]

    def __str__(self) -> str:
        near = get_close_matches(self.name.lower(), sorted(self.declared), 1)
        return f" ({near[0]!r}?)" if near else ""


class Catalogue:
    """Which journeys and steps a service may name; everything where nothing is declared.

    `declared` holds journey names, or ``maibo.dev/v1 Journey`` documents as dicts, whose steps are then declared too; one of either
    may come without a list around it.
    """

    __slots__ = ("_steps", "declares", "journeys", "steps")

    def __init__(self, declared: Iterable[str | Mapping[str, Any]] | None = None, *, limit: int = 200) -> None:
        if isinstance(declared, (str, Mapping)):
            declared = (cast("str | Mapping[str, Any]", declared),)
        documents = None if declared is None else dict(_name_and_steps(each) for each in declared)
        self.declares = documents is not None
        self.journeys = Names("journey", limit, documents, form=IN_DOCUMENTS)
        self.steps = Names("step", limit)
        self._steps = {
            name: Names(f"step of {name}", limit, steps)
            for name, steps in (documents or {}).items()
            if steps is not None
        }

    def step(self, journey: str, raw: str) -> str:
        """The name to use for a step that the service calls `raw`."""
        return (self._steps.get(journey) or self.steps).admit(raw)


def _name_and_steps(declared: str | Mapping[str, Any]) -> tuple[str, list[str] | None]:
    if isinstance(declared, str):
        return clean(declared), None
    steps = (declared.get("spec") or {}).get("steps") or ()
    return clean(declared["metadata"]["name"]), [clean(step["name"]) for step in steps]
