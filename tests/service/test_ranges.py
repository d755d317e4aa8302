"""Which stretch of time an address asks a page for, and the addresses of others beside it."""

from __future__ import annotations

import doctest
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.service.pages import listing, ranges
from maibo_slo.service.pages.listing import Asked, Column
from maibo_slo.service.pages.ranges import WINDOWS, Range, asked

NOW = 1_800_000_000.0
DAY = 86_400
MOMENTS = st.integers(int(NOW) - 300 * DAY, int(NOW) - 10).map(float)


def of(query: str, *, usual: str = "5m") -> Range:
    return asked(dict(part.split("=", 1) for part in query.split("&") if part), now=NOW, usual=usual)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_ends_now_and_goes_on(window):
    found = of(f"window={window}")
    assert (found.begin, found.end, found.live) == (NOW - WINDOWS[window], NOW, True)
    assert found.whole == (int(NOW) + 1 - WINDOWS[window], int(NOW) + 1), "the running second is part of it"
    assert found.problem == ""


def test_without_a_word_it_is_the_pages_usual_one():
    assert of("", usual="7d").seconds == 7 * DAY
    assert of("", usual="7d").usual
    assert not of("window=1h", usual="7d").usual


def test_a_window_at_a_moment_ended_then_and_does_not_go_on():
    found = of("window=1h&at=2027-01-15T07:00:00Z")
    assert (found.end, found.seconds, found.live) == (NOW - 3600, 3600, False)
    assert of(f"window=1h&at={int(NOW) - 3600}") == found, "unix seconds say it as well"
    assert of("at=2027-01-15T07:00:00Z").seconds == 300


@pytest.mark.parametrize(
    "said",
    [
        "2027-01-15T06:00",
        "2027-01-15T06:00:00Z",
        "2027-01-15T07:00:00+01:00",
        "2027-01-15T07:00:00 01:00",
        "1799992800",
    ],
)
def test_a_time_is_utc_unless_it_says_its_zone(said):
    found = of(f"from={said}&to=2027-01-15T07:00")
    assert (found.begin, found.end, found.window) == (NOW - 7200, NOW - 3600, "")


def test_what_would_end_in_the_future_ends_now():
    found = of(f"from={int(NOW) - 60}&to={int(NOW) + 60}")
    assert (found.end, found.live) == (NOW, False)
    assert of(f"from={int(NOW) - 60}").end == NOW


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("window=soon", "is no window"),
        ("window=9s", "is no window"),
        ("window=401d", "is no window"),
        ("at=yesterday", "“yesterday” is no time"),
        ("from=x&to=y", "“x” is no time"),
        ("from=99999999999", "is no time"),
        (f"from={int(NOW) - 60}&to={int(NOW) - 120}", "end before it begins"),
        (f"from={int(NOW) - 60}&to={int(NOW) - 60}", "end before it begins"),
        (f"from={int(NOW) + 60}", "begin in the future"),
        (f"window=1h&at={int(NOW) + 60}", "end in the future"),
        ("window=1h&at=2037-01-01T00:00:00Z", "end in the future"),
        (f"from={int(NOW) - 401 * DAY}", "longer than 400 days"),
        (f"from={int(NOW) - 500 * DAY}&to={int(NOW) - 401 * DAY}", "more than 400 days ago"),
        ("window=" + "9" * 900, "is no window"),
    ],
)  # fmt: skip
def test_nonsense_is_told_and_the_usual_window_shown(query, told):
    found = of(query)
    assert told in found.problem
    assert len(found.problem) < 200
    assert (found.window, found.live) == ("5m", True)


@given(begin=MOMENTS, seconds=st.integers(10, 90 * DAY))
def test_an_address_leads_back_to_the_range_that_it_was_made_of(begin, seconds):
    there = Range(begin, min(begin + seconds, NOW - 1), "", live=False)
    if there.end <= there.begin:
        return
    again = of("&".join(f"{key}={value}" for key, value in there.query.items()))
    assert (again.begin, again.end, again.live) == (there.begin, there.end, False)


@given(at=MOMENTS, window=st.sampled_from(list(WINDOWS)))
def test_earlier_and_later_are_each_others_way_back(at, window):
    there = of(f"window={window}&at={int(at)}")
    before = of(urlencode(there.earlier(), safe=":"))
    assert (before.end, before.seconds) == (there.begin, there.seconds)
    after = before.later(NOW)
    assert after is not None
    assert of(urlencode(after, safe=":")) == there


def test_what_is_later_than_the_newest_stretch_is_now_and_goes_on():
    assert of(f"window=1h&at={int(NOW) - 1800}").later(NOW) == {"window": "1h"}
    assert of("window=1h").later(NOW) is None
    assert of(f"from={int(NOW) - 90}&to={int(NOW) - 30}").later(NOW) == {"window": "60s"}


def test_a_moment_that_is_sent_to_somebody_is_the_one_that_was_seen():
    live = of("window=1h")
    assert live.moment == {"window": "1h", "at": "2027-01-15T08:00:00Z"}
    assert of(urlencode(live.moment, safe=":")).end == NOW


def test_the_api_is_asked_for_the_same_time():
    assert of("window=1h").api == {"window": "1h"}
    assert of("window=1h&at=2027-01-15T07:00:00Z").api == {
        "begin": "2027-01-15T06:00:00Z",
        "end": "2027-01-15T07:00:00Z",
    }


def test_a_list_is_sorted_by_a_column_either_way_and_what_is_not_known_comes_last():
    columns = {"size": Column(lambda one: one[1], largest_first=True)}
    items = [("a", 1), ("b", None), ("c", 3), ("d", 2)]

    def names(sort: str) -> str:
        return "".join(name for name, _ in listing.ordered(items, columns, sort, lambda one: one[0]))

    assert names("size") == "cdab"
    assert names("-size") == "adcb"
    assert names("nonsense") == names("") == "abcd"
    turned = listing.headings(columns, "size", lambda sort: f"?sort={sort}")["size"]
    assert (turned.href, turned.sorted) == ("?sort=-size", "descending")


def test_a_filter_wants_every_word_somewhere_in_the_names():
    typed = Asked(typed="Check SHOP")
    assert typed.fits("checkout", "the shop")
    assert not typed.fits("checkout")
    assert Asked().fits()


def test_the_examples_hold():
    assert doctest.testmod(ranges).failed == 0
