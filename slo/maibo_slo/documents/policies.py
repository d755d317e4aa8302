"""``maibo.dev/v1 ErrorBudgetPolicy``: what a team does as its budget goes, as states from best to worst.

A state is entered below one number and left above another, so that a budget which moves around one of them does not change the state
every minute. Documents are held to that: the second is never on the wrong side of the first, and each state is worse than the one before.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.document import description
from maibo_slo.documents.durations import whole_seconds
from maibo_slo.documents.fields import dns_label
from maibo_slo.documents.kinds import ErrorBudgetPolicy, PolicyState
from maibo_slo.documents.shares import share

if TYPE_CHECKING:
    from maibo_slo.documents.document import Document, Known
    from maibo_slo.documents.fields import Fields

DEFAULT_HOLD_SECONDS: Final = 3600
MAX_STATES: Final = 10
_BELOW: Final = "remainingBelow"
_ABOVE: Final = "recoverAbove"
_BURN_ABOVE: Final = "burnAbove"
_BURN_BELOW: Final = "burnRecoverBelow"
_STATES: Final = "such as states: [{name: healthy}, {name: frozen, remainingBelow: 0%, recoverAbove: 10%}]"
_LEAST: Final = Decimal(-10)
"""A budget that is overspent ten times over."""


def error_budget_policy(document: Document, known: Known) -> ErrorBudgetPolicy:
    """Read the document's spec."""
    spec = document.fields.mapping("spec")
    text = description(spec)
    items = spec.mappings("states", mend=_STATES)
    states = tuple(_state(item, first=index == 0) for index, item in enumerate(items))
    _check_states(spec, items, states)
    result = ErrorBudgetPolicy(
        name=document.name,
        description=text,
        states=states,
        hold_seconds=whole_seconds(spec, "hold", DEFAULT_HOLD_SECONDS, example="1h"),
        slos=known.refer_each(spec, "slos", "SLO"),
        services=known.refer_each(spec, "services", "Service"),
        origin=document.head.origin,
    )
    _check_alone(spec, result, known)
    spec.close()
    return result


def _state(item: Fields, *, first: bool) -> PolicyState:
    name = item.text("name", rule=dns_label, mend="such as slow")
    given = item.given(_BELOW, _ABOVE, _BURN_ABOVE, _BURN_BELOW)
    if first and given:
        item.error(given[0], "the first state holds when no other does", "remove it, and begin with {name: healthy}")
    elif not first and not {_BELOW, _BURN_ABOVE} & set(given):
        item.error(_BELOW, "nothing says when this state is entered", f"add {_BELOW} or {_BURN_ABOVE}")
    below, above = (
        share(item, name, of="the budget", least=_LEAST, most=Decimal(1), example="25%") for name in (_BELOW, _ABOVE)
    )
    burn_above, burn_below = _burn(item, _BURN_ABOVE), _burn(item, _BURN_BELOW)
    for entered, left in ((_BELOW, _ABOVE), (_BURN_ABOVE, _BURN_BELOW)):
        if left in given and entered not in given:
            item.error(left, f"is about leaving what {entered} enters, which is not given", f"add {entered}")
    if below is not None and above is not None and above < below:
        item.error(_ABOVE, f"is lower than {_BELOW}: the state would be left where it is entered", "raise it")
    if burn_above is not None and burn_below is not None and burn_below > burn_above:
        item.error(
            _BURN_BELOW, f"is higher than {_BURN_ABOVE}: the state would be left where it is entered", "lower it"
        )
    item.close()
    return PolicyState(
        name=name,
        remaining_below=_float(below),
        recover_above=_float(below if above is None else above),
        burn_above=_float(burn_above),
        burn_recover_below=_float(burn_above if burn_below is None else burn_below),
    )


def _burn(item: Fields, name: str) -> Decimal | None:
    number = item.number(name)
    if number is not None and not 0 < number <= 1_000_000:
        item.error(name, "must be a burn rate above 0", "such as 2: twice as fast as the budget lasts")
        return None
    return number


def _float(number: Decimal | None) -> float | None:
    return None if number is None else float(number)


def _check_states(spec: Fields, items: list[Fields], states: tuple[PolicyState, ...]) -> None:
    """Each worse than those before it, in whatever it has in common with them."""
    if len(items) == 1:
        spec.error("states", "a policy with one state says nothing", _STATES)
    elif len(items) > MAX_STATES:
        spec.error("states", f"has {len(items)} states, at most {MAX_STATES} are allowed", "who would know them all?")
    for index, (item, state) in enumerate(zip(items, states, strict=True)):
        better = states[:index]
        if state.name and state.name in {each.name for each in better}:
            item.error("name", f"a second state named {state.name!r}", "rename one of them")
        left = [each.remaining_below for each in better if each.remaining_below is not None]
        if state.remaining_below is not None and left and state.remaining_below >= left[-1]:
            item.error(_BELOW, "is not below that of the state before, which is a better one", "put the worst last")
        burns = [each.burn_above for each in better if each.burn_above is not None]
        if state.burn_above is not None and burns and state.burn_above <= burns[-1]:
            item.error(
                _BURN_ABOVE, "is not above that of the state before, which is a better one", "put the worst last"
            )


def _check_alone(spec: Fields, policy: ErrorBudgetPolicy, known: Known) -> None:
    """One policy for all, one for a service, one for an SLO: of two, nobody would know which holds."""
    about = [*(("SLO", name) for name in policy.slos), *(("Service", name) for name in policy.services)] or [("", "")]
    for kind, name in about:
        first, at = known.budget_policies.setdefault((kind, name), (policy.name, spec.at))
        if first != policy.name:
            what = f"for {kind} {name!r}" if kind else "for every SLO"
            message = f"a second policy {what}; the first is {first!r} at {at.file}:{at.line}"
            field = {"SLO": "slos", "Service": "services"}.get(kind, "slos")
            spec.error(field, message, "keep one of them, or name slos or services")
