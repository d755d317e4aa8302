"""A period's report, from the ledger, the cells and the alerts that fired.

Every number is of the events within the period: attainment and budget are those of the period's own events, whatever window the SLO has. The ledger
answers in two queries for all SLOs; only objectives with bad events, the worst first, are asked who burnt their budgets, and only those with alerts how
good these were, as long as there is time.
"""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from maibo_slo.documents import Slo
from maibo_slo.engine.budget import error_budget
from maibo_slo.engine.groups import OVERFLOW, group_values
from maibo_slo.engine.tracks import is_whole, raw_name
from maibo_slo.reporting.blame import blame
from maibo_slo.reporting.figures import Alerts, BurntStep, BurntVersion, Day, Report, Row, Trend
from maibo_slo.reporting.periods import before
from maibo_slo.reporting.quality import LONGEST, Fired, quality
from maibo_slo.store import events, past
from maibo_slo.store.cells import Window, covered
from maibo_slo.store.past import Whose as Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pandas as pd

    from maibo_slo.documents import Catalogue, FedSlo, Objective
    from maibo_slo.documents.kinds import Method
    from maibo_slo.reporting.figures import Burnt, Unit, Verdict
    from maibo_slo.store import Store

ALERT: Final = "alert"
BLAMED: Final = 50
"""Objectives whose burnt budget is looked into: a query or three each."""
TOP: Final = 5
MINUTE: Final = 60
_UNITS: Final[Mapping[Method, Unit]] = {
    "Occurrences": "events",
    "Timeslices": "slices",
    "RatioTimeslices": "parts of slices",
}
SUM_SECONDS: Final = 20.0
BLAME_UNTIL_SECONDS: Final = 14.0
JUDGE_UNTIL_SECONDS: Final = 18.0
"""Since the question: a client waits for 30 s."""
LOOK_SECONDS: Final = 2.0
"""For each of the two in any case, however long the sums took."""


class Sum(NamedTuple):
    """Counts of a period; `minutes` is how many intervals had any."""

    good: int = 0
    bad: int = 0
    minutes: int = 0

    @property
    def events(self) -> int:
        return self.good + self.bad


class Judged(NamedTuple):
    """What a period made of an objective."""

    attainment: float | None
    spent: float | None


def collect(
    store: Store,
    catalogue: Catalogue,
    begin: int,
    end: int,
    *,
    now: float,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Of [begin, end), unix s, widened to whole minutes. What is still to come has no data.

    Somebody waits for it: what there is no time to look into, those last that spent the least, is told as not looked into.
    So is the period before. TooMuchError when the period's counts alone take too long.
    """
    begin, end = begin // MINUTE * MINUTE, -(-end // MINUTE) * MINUTE
    until = min(end, int(now) + 1)
    started = clock()
    slos = catalogue.judged
    days = past.days(store, slos, begin, end, within_seconds=SUM_SECONDS)
    now_sums = _sums(days)
    left = max(1.0, SUM_SECONDS - (clock() - started))
    try:
        before_sums, compared = _sums(past.days(store, slos, *before(begin, end), within_seconds=left)), True
    except past.TooMuchError:
        before_sums, compared = {}, False
    summed = clock() - started
    days_of = {Key(*map(str, key)): part for key, part in days.groupby(["slo", "objective", "grp"], sort=False)}
    fired = _fired(store, begin, end, until)
    keys = list(_keys(slos, {*now_sums, *before_sums}))
    worst = sorted(
        (key for key in keys if now_sums.get(key, Sum()).bad),
        key=lambda key: (-(_judged(slos[key.slo], key, now_sums).spent or 0), key),
    )
    blamed: dict[Key, Burnt | None] = {}
    for key in worst[:BLAMED]:
        if clock() - started > max(BLAME_UNTIL_SECONDS, summed + LOOK_SECONDS):
            break
        blamed[key] = _blame(store, catalogue, key, begin, until, now=now)
    alerts = {key: _unjudged(fired.get(key, ()), now_sums.get(key, Sum()), begin, until) for key in keys}
    with_alerts = dict.fromkeys(key for key in (*worst, *keys) if key in fired)
    unjudged = len(with_alerts)
    for judged in _alerts(store, slos, [*with_alerts], fired, now_sums, begin, until):
        alerts |= judged
        unjudged -= len(judged)
        if clock() - started > max(JUDGE_UNTIL_SECONDS, summed + 2 * LOOK_SECONDS):
            break
    rows = [
        _row(
            slos[key.slo],
            key,
            now_sums,
            before_sums,
            days=days_of.get(key),
            alerts=alerts[key],
            burnt=blamed.get(key),
            minutes=max(1, (until - begin) // MINUTE),
        )
        for key in keys
    ]
    return Report(
        begin=_utc(begin),
        end=_utc(end),
        until=_utc(until),
        over=end <= now,
        rows=tuple(rows),
        unblamed=len(worst) - len(blamed),
        unjudged=unjudged,
        compared=compared,
    )


def _sums(days: pd.DataFrame) -> dict[Key, Sum]:
    sums = days.groupby(["slo", "objective", "grp"], sort=False)[["good", "bad", "minutes"]].sum()
    return {Key(*map(str, key)): Sum(*map(int, row)) for key, *row in sums.itertuples(name=None)}


def _keys(slos: Mapping[str, Slo | FedSlo], found: set[Key]) -> Iterator[Key]:
    """Every objective in force, by name; of an SLO with groups those that had events, in this period or the one before."""
    groups: dict[str, set[str]] = defaultdict(set)
    for key in found:
        groups[key.slo].add(key.group)
    for name in sorted(slos):
        slo = slos[name]
        mine = sorted(groups[name] - {""}) if slo.group_by else []
        for objective in slo.objectives:
            yield from (Key(name, objective.name, group) for group in mine or [""])


def _row(
    slo: Slo | FedSlo,
    key: Key,
    now_sums: Mapping[Key, Sum],
    before_sums: Mapping[Key, Sum],
    *,
    days: pd.DataFrame | None,
    alerts: Alerts,
    burnt: Burnt | None,
    minutes: int,
) -> Row:
    objective = _objective(slo, key)
    sums, judged = now_sums.get(key, Sum()), _judged(slo, key, now_sums)
    earlier = _judged(slo, key, before_sums)
    weighed = _is_weighed(slo, objective)
    slice_minutes = max(1, objective.slice_seconds // MINUTE)
    steps, versions = _burners(burnt)
    return Row(
        slo=slo.name,
        display_name=slo.display_name,
        objective=key.objective,
        group=key.group,
        service=slo.service,
        team=next(iter(slo.labels.get("team", ())), slo.service),
        journey=slo.journey,
        target=objective.target,
        unit=_unit(slo, objective),
        good=None if weighed else sums.good,
        bad=None if weighed else sums.bad,
        counted_events=_counted_events(slo, key, now_sums),
        attainment=judged.attainment,
        budget_spent=judged.spent,
        verdict=_verdict(judged, objective.target),
        coverage=None if weighed else min(1.0, sums.minutes * slice_minutes / minutes),
        days=tuple(_days(days, sums, objective.target)),
        before=Trend(attainment=earlier.attainment, budget_spent=earlier.spent),
        alerts=alerts,
        steps=steps,
        versions=versions,
    )


def _judged(slo: Slo | FedSlo, key: Key, sums: Mapping[Key, Sum]) -> Judged:
    objective, mine = _objective(slo, key), sums.get(key, Sum())
    budget = error_budget(objective.target)
    if mine.events:
        return Judged(mine.good / mine.events, mine.bad / (budget * mine.events))
    if not _is_weighed(slo, objective):
        return Judged(None, None)
    parts = [
        (part.weight, _judged(slo, key._replace(objective=part.name), sums).spent)
        for part in slo.objectives
        if not is_whole(slo, part)
    ]
    known = [weight * spent for weight, spent in parts if spent is not None]
    return Judged(1 - budget * sum(known), sum(known)) if known else Judged(None, None)


def _counted_events(slo: Slo | FedSlo, key: Key, sums: Mapping[Key, Sum]) -> int | None:
    """Events, whatever they are judged by; not of a composite as a whole, for components may count the same ones."""
    objective = _objective(slo, key)
    if is_whole(slo, objective):
        return None
    if slo.method == "Occurrences":
        return sums.get(key, Sum()).events
    return sums.get(key._replace(objective=raw_name(objective)), Sum()).events


def _is_weighed(slo: Slo | FedSlo, objective: Objective) -> bool:
    """Whether its budget is spent by its components', and it has no rows of its own."""
    return is_whole(slo, objective) and slo.method == "Occurrences"


def _verdict(judged: Judged, target: float) -> Verdict:
    if judged.attainment is None:
        return "no_data"
    return "met" if judged.attainment >= target else "missed"


def _unit(slo: Slo | FedSlo, objective: Objective) -> Unit:
    if _is_weighed(slo, objective):
        return "composite"
    return _UNITS[slo.method]


def _days(days: pd.DataFrame | None, sums: Sum, target: float) -> Iterator[Day]:
    if days is None:
        return
    allowed = error_budget(target) * sums.events
    columns = (days[name].tolist() for name in ("day", "good", "bad"))
    for day, good, bad in zip(*columns, strict=True):
        yield Day(day=_utc(day), good=good, bad=bad, spent=bad / allowed)


def _fired(store: Store, begin: int, end: int, until: int) -> Mapping[Key, Sequence[Fired]]:
    """Burn alerts that were firing at some time of the period, by what they were about."""
    found: dict[Key, list[Fired]] = defaultdict(list)
    for event in events.events(store, ALERT, begin - LONGEST, end):
        told = event.detail
        severity = str(told.get("severity", ""))
        if told.get("name", "MaiboBudgetBurn") != "MaiboBudgetBurn" or not severity:
            continue  # silence spends no budget
        key = Key(event.subject, str(told.get("objective", "")), str(told.get("group", "")))
        found[key].append(Fired(severity, event.begin, until if event.end is None else event.end))
    return found


def _alerts(
    store: Store,
    slos: Mapping[str, Slo | FedSlo],
    keys: Sequence[Key],
    fired: Mapping[Key, Sequence[Fired]],
    sums: Mapping[Key, Sum],
    begin: int,
    until: int,
) -> Iterator[dict[Key, Alerts]]:
    """Of these, which have alerts: some at a time, in their order, but for those without any minutes, which come last."""
    silent = dict.fromkeys(keys)
    for some in past.many_series(store, keys, begin - LONGEST, until):
        judged = {}
        for key, minutes in some.items():
            del silent[key]
            slo, objective = slos[key.slo], _objective(slos[key.slo], key)
            allowed = error_budget(objective.target) * sums.get(key, Sum()).events
            judged[key] = quality(
                minutes,
                fired[key],
                target=objective.target,
                window_budget=allowed * slo.window_seconds / max(MINUTE, until - begin),
                begin=begin,
                end=until,
                slice_seconds=objective.slice_seconds,
            )
        yield judged
    nothing = {"precise_pages": 0}
    yield {key: _unjudged(fired[key], Sum(), begin, until).model_copy(update=nothing) for key in silent}


def _unjudged(fired: Sequence[Fired], sums: Sum, begin: int, until: int) -> Alerts:
    """What is known without a look at the minutes."""
    severities = [each.severity for each in fired if begin <= each.begin < until]
    return Alerts(
        pages=severities.count("page"),
        tickets=len(severities) - severities.count("page"),
        precise_pages=None if fired else 0,
        detect_seconds=(),
        spent_outside=1.0 if sums.bad and not fired else None,
    )


def _blame(store: Store, catalogue: Catalogue, key: Key, begin: int, until: int, *, now: float) -> Burnt | None:
    """None where cells do not tell."""
    slo = catalogue.judged[key.slo]
    if not isinstance(slo, Slo) or key.group == OVERFLOW or is_whole(slo, _objective(slo, key)):
        return None
    window = covered(Window(begin, until), now=int(now))
    group = group_values(key.group)
    return blame(store, catalogue.slos.values(), slo, _objective(slo, key), window, group=group, now=int(now))


def _burners(burnt: Burnt | None) -> tuple[tuple[BurntStep, ...], tuple[BurntVersion, ...]]:
    """The steps, and the versions of services that do them, that burnt the most."""
    if burnt is None:
        return (), ()
    versions = (version for step in burnt.steps for version in step.versions)
    most = sorted(versions, key=lambda version: (-version.bad, version.service, version.version))
    return burnt.steps[:TOP], tuple(most[:TOP])


def _objective(slo: Slo | FedSlo, key: Key) -> Objective:
    return next(each for each in slo.objectives if each.name == key.objective)


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
