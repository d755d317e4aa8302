"""Selectors, taken apart."""

from __future__ import annotations

import time

import pytest

from maibo_slo.importing.promql import selector


@pytest.mark.parametrize(
    ("text", "ranged"),
    [
        ("up", "up[{{.window}}]"),
        (" up { } ", "up{ }[{{.window}}]"),
        ('{__name__="up"}', '{__name__="up"}[{{.window}}]'),
        ('job:up:sum{a="}", b=\'"{\'}', 'job:up:sum{a="}", b=\'"{\'}[{{.window}}]'),
        (r'up{path=~"/a\\.b\"}"}', r'up{path=~"/a\\.b\"}"}[{{.window}}]'),
        ("up offset -1h30m @ end()", "up[{{.window}}] offset -1h30m @ end()"),
        ("up @1609746000 offset 5m", "up[{{.window}}] @1609746000 offset 5m"),
    ],
)
def test_a_range_goes_between_matchers_and_modifiers(text: str, ranged: str) -> None:
    assert selector(text).range() == ranged


@pytest.mark.parametrize("text", ["", "sum(up)", "up[5m]", "up / up", "up{", 'up{a="}', "offset 5m", "1", "up offset"])
def test_what_is_no_selector_alone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        selector(text)


def test_a_matcher_is_added_to_those_there_are() -> None:
    assert selector('h{a="b",}').where("le", 'x"\\').range() == 'h{a="b", le="x\\"\\\\"}[{{.window}}]'


@pytest.mark.parametrize("piece", [" ", "a", "{", '{"', '"\\', "@", "@ a ", "offset 1offset ", "a{}", "`", "''"])
def test_no_text_takes_long(piece: str) -> None:
    text = f"up{piece * 50_000}!"
    begun = time.process_time()
    with pytest.raises(ValueError, match=r".*"):
        selector(text)
    assert time.process_time() - begun < 1, "50,000 times as long a text must not take its square"
