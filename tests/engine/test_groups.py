"""Names of groups, and which have a budget of their own."""

from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.engine.counts import GoodBad, with_budgets
from maibo_slo.engine.groups import MOST_GROUPS, OVERFLOW, admitted, group_name, group_values

DIMENSIONS = st.lists(st.sampled_from(["tier", "region", "version", "variant"]), min_size=1, unique=True)


@given(dimensions=DIMENSIONS, data=st.data())
def test_every_name_can_be_read_back(dimensions, data):
    values = [data.draw(st.text(max_size=20)) for _ in dimensions]
    assert group_values(group_name(dimensions, values)) == dict(zip(dimensions, values, strict=True))


def test_names_are_plain_and_the_group_of_none_has_none():
    assert group_name(("tier", "region"), ("gold", "eu")) == "tier=gold,region=eu"
    assert group_values("") == {}
    assert group_values(OVERFLOW) == {}


def test_the_busiest_of_too_many_have_a_budget_of_their_own_and_who_had_one_keeps_it():
    known = {f"tier={n}" for n in range(MOST_GROUPS - 1)} | {OVERFLOW}
    assert admitted(known, {"tier=0": 1, "tier=new": 5, "tier=busy": 9}) == {"tier=0", "tier=busy"}


def test_others_count_together_and_are_blank_where_there_are_none_any_more():
    known = {f"tier={n}" for n in range(MOST_GROUPS)}
    found = {"tier=0": {60: GoodBad(1, 0)}, "tier=x": {0: GoodBad(2, 1)}, "tier=y": {0: GoodBad(1, 0)}}
    assert with_budgets(found, known) == {
        "tier=0": {60: GoodBad(1, 0)},
        OVERFLOW: {0: GoodBad(3, 1), 60: GoodBad(0, 0)},
    }
    assert with_budgets({"tier=0": {60: GoodBad(1, 0)}}, known | {OVERFLOW})[OVERFLOW] == {60: GoodBad(0, 0)}
    assert with_budgets({"tier=0": {60: GoodBad(1, 0)}}, known) == {"tier=0": {60: GoodBad(1, 0)}}
