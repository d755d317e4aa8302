"""The page at /scaling: how many replicas every target should have, what its faces answered last, and why; and what the page of one shares with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from maibo_slo.service.flows import utc
from maibo_slo.service.pages import units, words
from maibo_slo.service.pages.language import gettext, marked
from maibo_slo.service.pages.links import with_query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maibo_slo.documents.scaling_kinds import ScalingTarget
    from maibo_slo.engine.scaling.inputs import Override
    from maibo_slo.service.scaling import ScalingNow, TargetNow

DEFAULT_WINDOW: Final = "6h"
LATE_SECONDS: Final = 10.0
"""The engine decides twice a second."""
FACES: Final[Mapping[str, str]] = {
    "keda": "KEDA (gRPC)",
    "json": "JSON",
    "external_metrics": marked("external metrics"),
    "prometheus": "Prometheus",
    "fast_lane": marked("the fast lane"),
}
ASKED_BY: Final[Mapping[str, str]] = {
    "keda": marked("the external scaler of KEDA asks"),
    "json": marked("people, scripts and the metrics-api trigger of KEDA ask"),
    "external_metrics": marked("an HPA asks, through the API server"),
    "prometheus": marked("a Prometheus scrapes /metrics"),
    "fast_lane": marked("maibo writes it itself, upwards alone"),
}


@dataclass(frozen=True, slots=True)
class Badge:
    """A state in a word, with what it means."""

    word: str
    tone: str
    icon: str


FRESH: Final = Badge(marked("fresh"), "good", "check")
STALE: Final = Badge(marked("stale"), "bad", "clock")
REFUSED: Final = Badge(marked("no signal"), "bad", "cross")
WAITING: Final = Badge(marked("not decided"), "", "none")


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """An override in words, and what became of it."""

    bounds: str
    who: str
    why: str
    said: str
    until: str
    left: str
    """How long it still has; '' when it is over."""
    became: str
    ended_why: str
    """What whoever ended it said."""
    in_force: bool
    unrecorded: bool = False


@dataclass(frozen=True, slots=True)
class FaceRow:
    """What a face answered last."""

    name: str
    meaning: str
    """Who asks it."""
    replicas: int | None
    """None: it refused, or nobody asked."""
    refused: str
    ago: str
    """'': nobody has asked since the start."""
    differs: bool
    """It would answer otherwise now."""


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One target of the list."""

    namespace: str
    name: str
    display_name: str
    workload: str
    href: str
    badge: Badge
    desired: int | None
    last: int | None
    """What it was when it was still fit to be acted upon."""
    ready: int | None
    wanted: int | None
    on_way: str
    """How far what is ready is from what is desired."""
    age: str
    max_age: str
    why: str
    override: OverrideRow | None
    faces: tuple[FaceRow, ...]

    @property
    def told(self) -> tuple[FaceRow, ...]:
        """Those that were asked."""
        return tuple(face for face in self.faces if face.ago)


@dataclass(frozen=True, slots=True)
class ScalingPage:
    """The page at /scaling."""

    rows: tuple[TargetRow, ...]
    refused: int
    overridden: int
    decided: str
    """How long ago; '' before the first decision."""
    late: str
    """How long it has not decided anything, where that is too long."""
    then: str = ""
    """The moment of the past that it is of; '' now."""


def scaling_page(found: ScalingNow, *, base: str, carried: Mapping[str, str]) -> ScalingPage:
    """Every target."""
    return of_rows(
        [target_row(each, now=found.now, base=base, carried=carried) for each in found.targets],
        decided="" if found.decided_at is None else seconds(found.now - found.decided_at),
        late=late(found.decided_at, found.now),
    )


def of_rows(rows: Sequence[TargetRow], *, decided: str = "", late: str = "", then: str = "") -> ScalingPage:
    """Those that are refused first."""
    return ScalingPage(
        rows=tuple(sorted(rows, key=lambda row: (row.badge is FRESH, row.namespace, row.name))),
        refused=sum(row.badge is not FRESH for row in rows),
        overridden=sum(row.override is not None for row in rows),
        decided=decided,
        late=late,
        then=then,
    )


def target_href(namespace: str, name: str, *, base: str, carried: Mapping[str, str]) -> str:
    """Where the page of one is."""
    path = f"{base}/scaling/{quote(namespace, safe='', errors='replace')}/{quote(name, safe='', errors='replace')}"
    return with_query(path, carried)


def bounds_in_words(override: Override) -> str:
    """``at least 40``, ``at most 5``, ``12 to 30``, ``exactly 8``.

    >>> from maibo_slo.engine.scaling.inputs import Override
    >>> said = lambda least, most: bounds_in_words(Override("", "", least, most, 0.0, "", "", 0.0))
    >>> said(40, None), said(None, 5), said(12, 30), said(8, 8)
    ('at least 40', 'at most 5', '12 to 30', 'exactly 8')
    """
    return words.bounds(override.least, override.most)


def face(name: str) -> str:
    """What a face is called."""
    return gettext(FACES[name]) if name in FACES else name


def target_row(of: TargetNow, *, now: float, base: str, carried: Mapping[str, str]) -> TargetRow:
    """One as it stands now."""
    signal, inputs = of.signal, of.inputs
    ran = None if inputs is None else inputs.replicas
    return row_of(
        of.target,
        FRESH if not of.refused else STALE if signal is not None else REFUSED if of.standing else WAITING,
        desired=None if signal is None else signal.desired_replicas,
        ready=None if ran is None else ran.ready,
        wanted=None if ran is None else ran.wanted,
        age=None if of.standing is None else of.standing.age_seconds,
        why=of.refused or ("" if signal is None else signal.reason),
        override=None if of.override is None else override_row(of.override, now=now),
        faces=tuple(_faces(of, now=now)),
        base=base,
        carried=carried,
    )


def row_of(
    target: ScalingTarget,
    badge: Badge,
    *,
    desired: int | None,
    ready: int | None,
    wanted: int | None,
    age: float | None,
    why: str,
    override: OverrideRow | None,
    faces: tuple[FaceRow, ...] = (),
    base: str,
    carried: Mapping[str, str],
) -> TargetRow:
    """A number to act upon only where its badge is `FRESH`."""
    return TargetRow(
        namespace=target.workload.namespace,
        name=target.name,
        display_name=target.display_name,
        workload=str(target.workload),
        href=target_href(target.workload.namespace, target.name, base=base, carried=carried),
        badge=badge,
        desired=desired if badge is FRESH else None,
        last=desired if badge is STALE else None,
        ready=ready,
        wanted=wanted,
        on_way=_on_way(desired, ready) if badge is FRESH else "",
        age="" if age is None else seconds(age),
        max_age=seconds(target.max_age_seconds),
        why=why,
        override=override,
        faces=faces,
    )


def _faces(of: TargetNow, *, now: float) -> Iterator[FaceRow]:
    """Each that there is, asked or not."""
    last = {each.face: each for each in of.faces}
    would = None if of.refused or of.signal is None else of.signal.desired_replicas
    for name, meaning in ASKED_BY.items():
        found = last.get(name)
        if name == "fast_lane" and not of.target.fast_lane and found is None:
            continue  # it asks for itself, where the document says so
        yield FaceRow(
            face(name),
            gettext(meaning),
            None if found is None else found.replicas,
            "" if found is None else found.refused,
            "" if found is None else seconds(now - found.at),
            found is not None and name != "fast_lane" and found.replicas != would,
        )


def override_row(
    of: Override,
    *,
    now: float,
    at: float | None = None,
    became: str = "",
    ended_why: str = "",
    unrecorded: bool = False,
) -> OverrideRow:
    """As it stands `at` a moment; None: now."""
    moment, at = utc(now), now if at is None else at
    in_force = not became and at < of.until
    return OverrideRow(
        bounds=bounds_in_words(of),
        who=of.who,
        why=of.why,
        said=units.moment(utc(of.said_at), now=moment),
        until=units.moment(utc(of.until), now=moment),
        left=units.period(of.until - at) if in_force else "",
        became=became or (gettext("in force") if in_force else gettext("expired")),
        ended_why=ended_why,
        in_force=in_force,
        unrecorded=unrecorded,
    )


def late(decided_at: float | None, now: float) -> str:
    return "" if decided_at is None or now - decided_at <= LATE_SECONDS else seconds(now - decided_at)


def seconds(of: float) -> str:
    """``0.4 s``, ``12 s``, ``2 min 5 s``."""
    of = max(0.0, of)
    return f"{of:.1f}{units.SPACE}s" if of < 9.95 else units.period(of)


def _on_way(desired: int | None, ready: int | None) -> str:
    if desired is None or ready is None or desired == ready:
        return ""
    if desired > ready:
        return gettext("%(number)s to come", number=desired - ready)
    return gettext("%(number)s more than needed", number=ready - desired)
