"""Puts states into words: when something fires, is about to or ends, and once a minute while it goes on.

What the cells know beside the counts is asked for in bounded time (`asking`): a store that is slow or away never holds up an alert, which is
then told with what is known.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from maibo_alerting.evaluating.asking import Asking
from maibo_alerting.evaluating.circumstances import Circumstances, circumstances, indicator
from maibo_alerting.evaluating.known import Known, facts_of, over_seconds, since
from maibo_alerting.evaluating.state import BURN, Key, State, States
from maibo_alerting.wording import as_annotations, tell
from maibo_slo.engine.groups import OVERFLOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from maibo_alerting.evaluating.reading import Reading
    from maibo_alerting.wording import Locale
    from maibo_slo.engine.snapshot import Snapshot
    from maibo_slo.store import Store

TOLD_SECONDS: Final = 60
ASKED_SECONDS: Final = 2.0
"""How long an alert waits, at most, for what the cells know."""
ASKED_AT_ONCE: Final = 50
TOLD_AT_ONCE: Final = 1_000
"""Of those that are told anew, at one tick: 0.3 s. The others follow at the next ones; what changed is always told at once."""
_NOTHING: Final = Circumstances()
_Of = tuple[str, str, str]
"""SLO, objective and group."""


class Teller:
    """Of one evaluator."""

    def __init__(self, store: Store | None, locales: Sequence[Locale]) -> None:
        """`store`: None asks nothing. `locales`: the service's own first."""
        self._store = store
        self._locales = tuple(dict.fromkeys(locales))
        self._asking: Asking[Key, Circumstances] = Asking(
            "what alerts could tell beside their counts", within_seconds=ASKED_SECONDS
        )
        self._found: dict[Key, Circumstances] = {}

    def told(self, states: States, snapshot: Snapshot, readings: Iterable[Reading], *, now: float) -> States:
        """With words for those that are due."""
        due = _most_due([state for state in states.values() if is_due(state, now=now)])
        if not due:
            return states
        observed = {(one.slo.name, one.objective.name, one.group): one for one in snapshot.observed}
        known = {of: Known(observed[of], each) for each in readings if (of := (each.slo, each.objective, each.group))}
        found = self._circumstances(states, due, known, now=now)
        worded = {
            state.key: self.in_words(
                state,
                known.get(_of(state.key)),
                found.get(state.key, _NOTHING),
                evaluated_at=snapshot.evaluated_at,
                now=now,
            )
            for state in due
        }
        return {**states, **worded}

    def in_words(
        self,
        state: State,
        known: Known | None = None,
        found: Circumstances = _NOTHING,
        *,
        evaluated_at: float | None,
        now: float,
    ) -> State:
        """In each language."""
        facts = facts_of(state, known, found, evaluated_at=evaluated_at, now=now)
        own, *others = (as_annotations(tell(facts, locale)) for locale in self._locales)
        translations = {str(locale): words for locale, words in zip(self._locales[1:], others, strict=True)}
        return replace(state, annotations=own, translations=translations, told_at=now)

    def stop(self) -> None:
        self._asking.stop()

    def _circumstances(
        self, states: States, due: Sequence[State], known: Mapping[_Of, Known], *, now: float
    ) -> dict[Key, Circumstances]:
        """Of what fires, pages that were never told first. What changed is told on when it cannot be asked again."""
        firing = [state for state in due if state.phase == "firing" and state.key.name == BURN]
        firing.sort(key=lambda state: (state.told_at or 0.0, state.key.severity != "page"))
        questions = {state.key: question for state in firing if (question := self._question(state, known, now=now))}
        found = self._asking.answers(dict(list(questions.items())[:ASKED_AT_ONCE]))
        before = {key: each for key, each in self._found.items() if key in states and states[key].phase == "firing"}
        self._found = before | found
        return {key: replace(_NOTHING, changes=each.changes) for key, each in before.items()} | found

    def _question(self, state: State, known: Mapping[_Of, Known], *, now: float) -> Callable[[], Circumstances] | None:
        of = known.get(_of(state.key))
        sli = None if of is None else indicator(of.observed)
        if self._store is None or of is None or sli is None or state.key.group == OVERFLOW:  # cells know no such group
            return None
        over, began = over_seconds(state, of.reading), since(state, of)
        return partial(circumstances, self._store, sli, state.key.group, over_seconds=over, since=began, now=now)


def is_due(state: State, *, now: float) -> bool:
    """Whether it is to be told, for the first time in its phase or anew."""
    if state.told_at is None:
        return state.phase != "inactive"
    return (
        state.phase in ("firing", "pending") and not 0 <= now - state.told_at < TOLD_SECONDS
    )  # or a clock stepped back


def _most_due(due: Sequence[State]) -> Sequence[State]:
    """Those that were never told, and of the others those whose words are the oldest."""
    anew = sorted((state for state in due if state.told_at is not None), key=lambda state: state.told_at or 0.0)
    return [*(state for state in due if state.told_at is None), *anew[:TOLD_AT_ONCE]]


def _of(key: Key) -> _Of:
    return key.slo, key.objective, key.group
