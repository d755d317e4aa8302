"""Both languages: every word of the pages is translated, with the same variables, and a page in Chinese has no English sentence left."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_file
from babel.messages.pofile import read_po

import maibo_slo.service
from maibo_slo.service import scaleup_phases
from maibo_slo.service.answers import HELD_BACK
from maibo_slo.service.pages import language

SERVICE = Path(maibo_slo.service.__file__).parent
VARIABLE = re.compile(r"%\((\w+)\)s|\{\}")
ELSEWHERE = {
    *HELD_BACK.values(),
    *scaleup_phases.LABELS.values(),
    *scaleup_phases.DOING.values(),
    scaleup_phases.WAITING,
    scaleup_phases.PULL_AND_START,
}
"""What answers say in words, which pages translate."""
FILES = sorted(path.name for path in [*(SERVICE / "pages").glob("*.py"), *(SERVICE / "templates").glob("*.html")])


def messages(name: str) -> list[tuple[str, ...]]:
    """What of a file can be translated: the message, or its forms."""
    path = SERVICE / ("templates" if name.endswith(".html") else "pages") / name
    method = "python" if name.endswith(".py") else "jinja2.ext:babel_extract"
    keywords = {**DEFAULT_KEYWORDS, "marked": None}
    options = {"trimmed": "true"} if name.endswith(".html") else {}
    found = [message for _, message, _, _ in extract_from_file(method, str(path), keywords, options=options)]
    return [(each,) if isinstance(each, str) else tuple(form for form in each if form) for each in found]


@pytest.mark.parametrize("name", FILES)
def test_every_message_of_a_file_has_a_translation(name):
    there = language.catalogue("zh")
    assert [forms[0] for forms in messages(name) if forms[0] not in there] == []


def test_what_answers_say_in_words_has_a_translation():
    assert ELSEWHERE - language.catalogue("zh").keys() == set()


def test_no_translation_is_of_a_message_that_nobody_writes_any_more():
    written = {forms[0] for name in FILES for forms in messages(name)} | ELSEWHERE
    assert language.catalogue("zh").keys() - written == set()


def test_a_message_is_translated_once_and_nothing_is_left_unsure():
    found: list[str] = []
    for path in sorted((SERVICE / "locale" / "zh" / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as lines:
            messages_of = [message for message in read_po(lines, locale="zh") if message.id]
        for message in messages_of:
            found.append(message.id if isinstance(message.id, str) else message.id[0])
            assert message.string, (path.name, message.id)
            assert not message.fuzzy, (path.name, message.id)
    assert sorted(set(found)) == sorted(found)


def test_a_translation_has_the_variables_of_its_message():
    for message, forms in language.catalogue("zh").items():
        for form in forms:
            assert sorted(VARIABLE.findall(form)) == sorted(VARIABLE.findall(message)), message


def test_a_translation_can_be_filled_in():
    for message, forms in language.catalogue("zh").items():
        variables = dict.fromkeys(VARIABLE.findall(message), "1")
        for form in forms:
            assert form % variables, message


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "spoken"),
    [
        (None, None, "", "en"),
        (None, None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, None, "fr,en;q=0.5,zh;q=0.7", "zh"),
        (None, None, "zh;q=0,en;q=0.1", "en"),
        (None, None, "zh;q=much,en", "en"),
        (None, "zh", "en", "zh"),
        ("en", "zh", "zh", "en"),
        ("xx", "yy", "zz", "en"),
    ],
)
def test_the_address_is_asked_first_then_the_cookie_then_the_browser(asked, remembered, accepted, spoken):
    assert language.chosen(asked, remembered, accepted) == spoken


def test_words_are_in_the_language_that_is_spoken_and_english_again_after_it():
    with language.speaking("zh"):
        assert language.gettext("%(time)s ago", time="3 s") == "3 s 前"
        assert language.gettext("no such message") == "no such message"
        assert "2 个事件" in language.ngettext(
            "%(count)s event is counted as %(name)s.",
            "%(count)s events are counted as %(name)s.",
            2,
            count="2",
            name="",
        )
    assert language.gettext("%(time)s ago", time="3 s") == "3 s ago"
    assert language.ngettext("%(num)s thing", "%(num)s things", 2) == "2 things"


def test_the_examples_hold():
    assert doctest.testmod(language).failed == 0
