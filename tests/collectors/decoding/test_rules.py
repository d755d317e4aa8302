"""The rules' file, and patterns."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.decoding.rules import CompiledRule, Condition, Patterns, Rule, Rules, read, write


def test_rules_are_read_as_they_were_written(tmp_path, rules):
    path = tmp_path / "rules.json"
    for each in (Rules(), rules):
        write(each, path)
        assert read(path) == each
    assert list(tmp_path.iterdir()) == [path], "nothing is left beside it"


@pytest.mark.parametrize("text", [None, "", "{", '{"spans": 7}', '{"spans": [{}]}', "\ufffd"])
def test_rules_that_cannot_be_read_say_which_file_and_why(tmp_path, text):
    path = tmp_path / "rules.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CollectorError, match=re.escape(str(path))):
        read(path)


def test_what_a_later_version_adds_is_left_out(tmp_path):
    path = tmp_path / "rules.json"
    path.write_text('{"spans": [{"journey": "a", "new": 1}], "newer": {}}')
    assert read(path) == Rules(spans=(Rule(journey="a"),))


@given(st.lists(st.text("ab*.", max_size=6), max_size=3), st.text("ab*.\n", max_size=8))
def test_a_star_stands_for_any_characters_and_all_else_for_itself(patterns, text):
    as_regex = (".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns)
    assert Patterns(tuple(patterns)).match(text) == any(re.fullmatch(each, text, re.DOTALL) for each in as_regex)


def test_a_pattern_of_many_stars_takes_no_time():
    begin = time.perf_counter()
    assert not Patterns(("*a" * 1000 + "b",)).match("a" * 20_000)
    assert time.perf_counter() - begin < 20


def test_the_first_condition_that_is_not_met_is_told():
    rule = CompiledRule(
        Rule(
            journey="a",
            resource=(Condition("r", ("1",)),),
            kind=2,
            name=("n",),
            attributes=(Condition("x", ("1", "2")),),
        )
    )
    assert rule.unmet({}, {}) == Condition("r", ("1",))
    assert rule.unmet({"r": "1"}, {}, kind=1) == Condition("kind", ("server",))
    assert rule.unmet({"r": "1"}, {}, kind=2, name="m") == Condition("name", ("n",))
    assert rule.unmet({"r": "1"}, {"x": "3"}, kind=2, name="n") == Condition("x", ("1", "2"))
    assert rule.unmet({"r": "1"}, {"x": "2"}, kind=2, name="n") is None
