"""From facts to words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_alerting.wording import figures
from maibo_alerting.wording.facts import Link, Message
from maibo_alerting.wording.phrases import phrases
from maibo_alerting.wording.text import link, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_alerting.wording.facts import Change, Facts, LinkKind
    from maibo_alerting.wording.phrases import Locale, Phrases

MAX_CHANGES = 5
_NAME = 100


def tell(facts: Facts, locale: Locale = "en") -> Message:
    """What to say of them. The title tells the trouble; how urgent it is, and whether it is over, the destination says before it.

    >>> from maibo_alerting.wording import Facts
    >>> facts = Facts(now=1_000_000, slo="checkout-latency", journey="checkout", tier="gold", burn_rate=14.4)
    >>> tell(facts).title
    'checkout (gold): the error budget burns 14.4 times as fast as the SLO allows'
    """
    say = phrases(locale)
    return Message(
        title=_title(facts, say),
        lines=tuple(line for part in (_felt, _promise, _time, _budget, _data, _changed) for line in part(facts, say)),
        links=tuple(_links(facts, say)),
    )


def _title(facts: Facts, say: Phrases) -> str:
    over = facts.until is not None
    if facts.kind == "standstill":
        return say.evaluates_again if over else say.stands_still
    what = _what(facts, say)
    if over and facts.ended != "over":
        return (say.unknown if facts.ended == "no_data" else say.withdrawn).format(what=what)
    if facts.kind == "no_data":
        return (say.data_again if over else say.no_data).format(what=what)
    return say.burns_no_more.format(what=what) if over else _burning(what, facts, say)


def _burning(what: str, facts: Facts, say: Phrases) -> str:
    if facts.burn_rate is None:
        return say.burning_too_fast.format(what=what)
    shown = figures.rate(facts.burn_rate)
    if facts.waiting is not None and facts.over_seconds is not None:
        return say.burning_waits.format(
            what=what,
            short=figures.duration(facts.over_seconds, say),
            rate=shown,
            factor=figures.rate(facts.waiting.factor),
            long=figures.duration(facts.waiting.long_seconds, say),
            waits=say.waits[facts.waiting.held_back_by],
        )
    return say.burning.of(shown).format(what=what, rate=shown)


def _what(facts: Facts, say: Phrases) -> str:
    where = plain(facts.journey or facts.slo, _NAME)
    if facts.step:
        where = say.place_step.format(journey=where, step=plain(facts.step, _NAME))
    whom = ", ".join(dict.fromkeys(plain(name, _NAME) for name in (facts.tier, facts.group) if name))
    return say.place.format(where=where, whom=whom) if whom else where


def _felt(facts: Facts, say: Phrases) -> Iterator[str]:
    if facts.bad is not None and facts.total:
        shown = {
            "bad": figures.count(facts.bad),
            "total": figures.count(facts.total),
            "share": figures.percent(facts.bad / facts.total, say),
        }
        if facts.over_seconds is None:
            yield (say.bad if facts.is_felt else say.not_good).of(shown["bad"]).format(**shown)
        else:
            over = figures.duration(facts.over_seconds, say)
            phrase = say.bad_over if facts.is_felt else say.not_good_over
            yield phrase.of(shown["bad"]).format(**shown, over=over)
    if facts.customers is not None:
        customers = figures.count(facts.customers)
        yield say.customers.of(customers).format(n=customers)
    if facts.p99_seconds is not None:
        p99 = figures.latency(facts.p99_seconds, say)
        if facts.threshold_seconds is None:
            yield say.p99.format(p99=p99)
        else:
            yield say.p99_threshold.format(p99=p99, threshold=figures.latency(facts.threshold_seconds, say))


def _promise(facts: Facts, say: Phrases) -> Iterator[str]:
    slo = plain(facts.slo, _NAME)
    if facts.target is None:
        if slo and facts.objective:
            yield say.objective.format(slo=slo, objective=plain(facts.objective, _NAME))
        return
    target = figures.exact_percent(facts.target, say)
    if facts.period is not None:
        begin, end = (figures.moment(at, facts.zone) for at in facts.period)
        yield say.promise_period.format(slo=slo, target=target, begin=begin, end=end)
    elif facts.window_seconds is None:
        yield say.promise.format(slo=slo, target=target)
    else:
        yield say.promise_over.format(slo=slo, target=target, window=figures.duration(facts.window_seconds, say))


def _time(facts: Facts, say: Phrases) -> Iterator[str]:
    if facts.since is None:
        return
    since = figures.moment(facts.since, facts.zone)
    lasted = (facts.now if facts.until is None else facts.until) - facts.since
    if facts.until is not None and facts.ended != "over":
        yield say.since.format(since=since)  # until when, nobody knows
    elif facts.until is not None:
        yield say.from_until.format(
            since=since, until=figures.moment(facts.until, facts.zone), duration=figures.duration(lasted, say)
        )
    elif lasted >= 1:
        yield say.since_for.format(since=since, duration=figures.duration(lasted, say))
    else:
        yield say.since.format(since=since)


def _budget(facts: Facts, say: Phrases) -> Iterator[str]:
    left = facts.budget_remaining
    if left is None:
        return
    lasts = facts.budget_lasts_seconds
    if left < 0:
        yield say.overspent.format(share=figures.percent(-left, say))
    elif left == 0:
        yield say.spent
    elif lasts is None or facts.until is not None or facts.kind == "no_data":
        yield say.left.format(share=figures.percent(left, say))
    else:
        yield say.lasts.format(
            share=figures.percent(left, say),
            duration=figures.duration(lasts, say),
            at=figures.moment(facts.now + lasts, facts.zone),
        )


def _data(facts: Facts, say: Phrases) -> Iterator[str]:
    age = None if facts.age_seconds is None else figures.duration(facts.age_seconds, say)
    if facts.kind == "standstill":
        if facts.until is None:
            yield say.wakes_nobody if age is None else say.wakes_nobody_for.format(age=age)
    elif facts.kind == "no_data" and facts.until is None:
        yield say.quiet if age is None else say.quiet_for.format(age=age)
    elif age is not None:
        yield say.newest.format(age=age)


def _changed(facts: Facts, say: Phrases) -> Iterator[str]:
    """The newest of them: what comes last is what most often broke it."""
    changes = sorted(facts.changes, key=lambda change: change.at, reverse=True)
    if changes:
        yield say.around
    for change in changes[:MAX_CHANGES]:
        yield _change(change, facts, say)
    if len(changes) > MAX_CHANGES:
        more = figures.count(len(changes) - MAX_CHANGES)
        yield say.more.of(more).format(n=more)


def _change(change: Change, facts: Facts, say: Phrases) -> str:
    told = say.changes[change.kind].format(what=plain(change.what, _NAME))
    at, before, after = figures.moment(change.at, facts.zone), plain(change.before, _NAME), plain(change.after, _NAME)
    if before and after:
        return say.change_from_to.format(at=at, change=told, before=before, after=after)
    if after:
        return say.change_to.format(at=at, change=told, after=after)
    return f"{at}{say.separator}{told}"


def _links(facts: Facts, say: Phrases) -> Iterator[Link]:
    addresses: dict[LinkKind, str] = {"page": facts.page, "dashboard": facts.dashboard, "runbook": facts.runbook}
    for kind, address in addresses.items():
        if url := link(address):
            yield Link(kind, say.links[kind], url)
