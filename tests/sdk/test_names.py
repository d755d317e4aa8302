import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import maibo
from maibo.names import Catalogue, Names, clean
from maibo.testing import capture

DOCUMENT = {
    "apiVersion": "maibo.dev/v1",
    "kind": "Journey",
    "metadata": {"name": "checkout"},
    "spec": {"steps": [{"name": "basket"}, {"name": "payment"}]},
}


@given(st.text(st.characters(), max_size=300), st.integers(1, 200))
def test_clean_texts_are_short_printable_and_stay_as_they_are(text, longest):
    cleaned = clean(text, longest)
    assert len(cleaned) <= longest
    cleaned.encode()  # no lone surrogates
    assert not any(ord(each) < 32 or 127 <= ord(each) < 160 for each in cleaned)
    assert clean(cleaned, longest) == cleaned


def test_the_first_so_many_names_are_admitted_the_rest_are_other_and_told_once(caplog):
    names = Names("step", 3)
    assert [names.admit(f"order-{n}") for n in range(5)] == ["order-0", "order-1", "order-2", "_other", "_other"]
    assert names.admit("order-1") == "order-1"
    assert names.admit("  ") == "_other"
    assert maibo.stats().names_replaced == 3
    assert len(caplog.records) == 1
    assert "Is an id in the name?" in caplog.text


def test_a_name_of_nothing_is_unnamed():
    assert Names("step", 3).admit(" \n") == "_unnamed"


def test_with_a_catalogue_of_names_only_those_journeys_count():
    with capture(catalogue=["checkout", "search"]) as captured:
        for name in ("checkout", "serach"):
            with maibo.journey(name), maibo.step("anything"):
                pass
    assert [each.name for each in captured.journeys] == ["checkout", "_undeclared"]
    assert [each.name for each in captured.steps] == ["anything", "anything"]


@pytest.mark.parametrize("declared", ["checkout", DOCUMENT])
def test_a_catalogue_of_one_needs_no_list(declared):
    with capture(catalogue=declared) as captured:
        for name in ("checkout", "c", "kind"):
            with maibo.journey(name):
                pass
    assert [each.name for each in captured.journeys] == ["checkout", "_undeclared", "_undeclared"]


def test_documents_declare_their_steps_too():
    catalogue = Catalogue([DOCUMENT, "search"])
    assert catalogue.step("checkout", "payment") == "payment"
    assert catalogue.step("checkout", "paymnet") == "_undeclared"
    assert catalogue.step("search", "index") == "index"


@pytest.mark.parametrize(
    ("name", "mend"), [("Check Out", "correct the name ('checkout'?)"), ("zzz", "correct the name, or add it")]
)
def test_an_undeclared_name_is_told_once_with_what_to_do_about_it(caplog, name, mend):
    catalogue = Catalogue([DOCUMENT, "search"])
    for _ in range(3):
        assert catalogue.journeys.admit(name) == "_undeclared"
    (told,) = caplog.messages
    assert told.startswith(f"maibo: journey {name!r} is not declared, and counted as _undeclared: {mend}")
    assert "to a Journey document" in told


def test_tiers_variants_and_reasons_are_bounded_too():
    with capture() as captured:
        for n in range(300):
            with maibo.journey("checkout", tier=f"tier{n}", variant=f"{n}") as journey:
                journey.fail(f"order {n} not found\n")
    assert len({each.tier for each in captured.journeys}) == 51
    assert len({each.variant for each in captured.journeys}) == 51
    assert len({each.reason for each in captured.journeys}) == 201
    assert captured.journeys[0].reason == "order 0 not found"


def test_a_journey_that_no_document_can_name_is_counted_and_told_once(caplog):
    named_in_documents = ["checkout", "7", "pay-2", "a" * 63]
    others = ["Bücher & <b>", "?q=1", "..", "a" * 64, "-a", "a-", "pay_2", "checkout v2"]
    with capture() as captured:
        with maibo.resume("Str%C3%A4nger:" + "a" * 32 + f":{time.time_ns() // 1000}::", ends=True):
            pass
        for name in named_in_documents:
            with maibo.journey(name), maibo.step("Any Step"):
                pass
        assert not caplog.records, "and a stranger's name does not use up the one time"
        for name in others:
            with maibo.journey(name):
                pass
    assert [each.name for each in captured.journeys] == ["Stränger", *named_in_documents, *others]
    (told,) = caplog.messages
    assert "'Bücher & <b>'" in told
    assert (maibo.stats().names_replaced, maibo.stats().internal_errors) == (0, 0)
