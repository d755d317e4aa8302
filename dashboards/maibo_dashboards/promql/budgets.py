"""Error budgets, as the engine reckons them: each over its own window, by the time of events. Nothing is reckoned anew here but shares of counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_dashboards.promql.series import among, chosen, equal, named, newest, of, share

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

ONE: Final = "slo, objective, group"
"""What tells one budget from another."""
SHORT: Final = "5m"
"""The shortest window that events are told of."""
SHORT_SECONDS: Final = 300
_CHOSEN: Final = ('slo="$slo"', 'objective="$objective"')


def columns(slos: Collection[str], dashboards: Mapping[str, str]) -> dict[str, str]:
    """Column -> query. The state is a label of the first; `dashboards`: SLO -> uid of what tells more."""
    which = among("slo", slos)
    state = f"max by ({ONE}, state) ({of('maibo_slo_state', which)} == 1)"
    return {
        "": named(state, "slo", sorted(dashboards.items()), new="details"),
        "Target": newest("maibo_slo_objective_ratio", ONE, which),
        "Window": newest("maibo_slo_window_seconds", ONE, which),
        "Attainment": newest("maibo_slo_attainment_ratio", ONE, which),
        "Budget left": newest("maibo_slo_error_budget_remaining_ratio", ONE, which),
        "Burn 1 h": newest("maibo_slo_burn_rate", ONE, which, equal("window", "1h")),
        "Burn 6 h": newest("maibo_slo_burn_rate", ONE, which, equal("window", "6h")),
        "Coverage": newest("maibo_slo_coverage_ratio", ONE, which),
        "Alerts": f"sum by ({ONE}) ({newest('maibo_slo_burn_reached', f'{ONE}, window', which)})",
        "Data age": newest("maibo_slo_age_seconds", ONE, which),
    }


def slos(names: Collection[str]) -> str:
    """Values of the variable."""
    return f"label_values({of('maibo_slo_objective_ratio', among('slo', names))}, slo)"


def objectives() -> str:
    return f"label_values({of('maibo_slo_objective_ratio', _CHOSEN[0])}, objective)"


def groups() -> str:
    return f"label_values({of('maibo_slo_objective_ratio', *_CHOSEN)}, group)"


def objective() -> str:
    return f"max({of('maibo_slo_objective_ratio', *_CHOSEN)})"


def attainment(*, grouped: bool) -> str:
    """Of the group with the least budget left, as its budget is told: the least attainment is that of the same."""
    return f"min({_of('maibo_slo_attainment_ratio', grouped)})"


def budget_left(*, grouped: bool) -> str:
    return f"min({_of('maibo_slo_error_budget_remaining_ratio', grouped)})"


def exhausted_in(*, grouped: bool) -> str:
    """Seconds; nothing where it burns slower than it comes back, or is spent."""
    left, window = (
        _of(name, grouped) for name in ("maibo_slo_error_budget_remaining_projected_ratio", "maibo_slo_window_seconds")
    )
    burn = _of("maibo_slo_burn_rate", grouped, equal("window", "6h"))
    return f"min(({left} > 0) * {window} / ignoring (window) ({burn} > 1))"


def reached(*, grouped: bool) -> str:
    return f"sum(max by ({ONE}, window) ({_of('maibo_slo_burn_reached', grouped)}))"


def budget_left_by_group(*, grouped: bool) -> str:
    return f"max by (group) ({_of('maibo_slo_error_budget_remaining_ratio', grouped)})"


def sli(*, grouped: bool) -> str:
    """Good events / events of the last minutes, all groups together."""
    bad, events = (f"sum({_short(name, grouped)})" for name in ("maibo_slo_burn_bad_events", "maibo_slo_burn_events"))
    return f"1 - {share(bad, events)}"


def burn_rates(*, grouped: bool) -> str:
    return f"max by (window, group) ({_of('maibo_slo_burn_rate', grouped)})"


def factors() -> str:
    """What alerts go by, by the long window of their pair."""
    return f"max by (window) ({of('maibo_slo_burn_factor', *_CHOSEN)})"


def events_a_second(*, bad: bool, grouped: bool) -> str:
    """Over the last minutes."""
    failed = f"sum({_short('maibo_slo_burn_bad_events', grouped)})"
    found = failed if bad else f"(sum({_short('maibo_slo_burn_events', grouped)}) - {failed})"
    return f"{found} / {SHORT_SECONDS}"


def alerts(names: Collection[str] = ()) -> str:
    """A sample while a pair of windows is reached."""
    which = [among("slo", names)] if names else []
    return f"max by ({ONE}, window) ({of('maibo_slo_burn_reached', *which)} == 1)"


def lowest_by_journey() -> str:
    """The least budget left of any objective that counts a journey."""
    return _by_journey("min", of("maibo_slo_error_budget_remaining_ratio"))


def highest_burn_by_journey(window: str) -> str:
    return _by_journey("max", of("maibo_slo_burn_rate", equal("window", window)))


def alerts_by_journey() -> str:
    return _by_journey("sum", f"max by ({ONE}, window) ({of('maibo_slo_burn_reached')})")


def _by_journey(function: str, numbers: str) -> str:
    counting = newest("maibo_slo_journey_info", "slo, journey")
    return f"{function} by (journey) ({counting} * on (slo) group_left () {function} by (slo) ({numbers}))"


def _of(metric: str, grouped: bool, *conditions: str) -> str:
    return of(metric, *_CHOSEN, *([chosen("group")] if grouped else []), *conditions)


def _short(metric: str, grouped: bool) -> str:
    return _of(metric, grouped, equal("window", SHORT))
