"""What is kept of answers."""

from __future__ import annotations

from maibo_slo.service.kept import Kept


def test_an_answer_is_told_again_as_long_as_its_asker_says() -> None:
    kept: Kept[str, int] = Kept(8)
    assert kept.get("one", now=100.0, seconds=60.0) is None
    assert kept.put("one", 1, now=100.0) == 1
    assert kept.get("one", now=159.9, seconds=60.0) == 1
    assert kept.get("one", now=160.0, seconds=60.0) is None
    assert kept.get("one", now=99.0, seconds=60.0) is None, "the clock was set back"
    assert kept.get("another", now=100.0, seconds=60.0) is None


def test_an_answer_is_of_the_very_things_that_it_was_made_of() -> None:
    kept: Kept[str, int] = Kept(8)
    document, same = [1], [1]
    kept.put("one", 1, of=(document,))
    assert kept.get("one", of=(document,)) == 1
    assert kept.get("one", of=(same,)) is None, "read anew, though it says the same"
    assert kept.get("one") is None


def test_of_more_than_there_is_room_for_the_oldest_go() -> None:
    kept: Kept[int, int] = Kept(2)
    for each in (1, 2, 1, 3):
        kept.put(each, each)
    assert [kept.get(each) for each in (1, 2, 3)] == [1, None, 3]


def test_answers_are_forgotten_by_question() -> None:
    kept: Kept[int, int] = Kept(8)
    for each in range(4):
        kept.put(each, each)
    kept.forget(lambda question: question % 2 == 0)
    assert [kept.get(each) for each in range(4)] == [None, 1, None, 3]
    kept.forget()
    assert kept.get(1) is None
