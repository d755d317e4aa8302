"""What templates show: escaped as ever, and words in the reader's language."""

from __future__ import annotations

import jinja2
import pytest
from markupsafe import Markup, escape

from maibo_slo.service.pages import language, templates


@pytest.fixture(scope="module")
def pages() -> jinja2.Environment:
    return templates.environment({})


def rendered(pages: jinja2.Environment, text: str, **values: object) -> str:
    return pages.from_string(text).render(values)


def test_what_is_missing_is_an_error(pages):
    with pytest.raises(jinja2.UndefinedError):
        rendered(pages, "{{ nothing }}")


def test_words_are_in_the_language_that_is_spoken_and_what_they_tell_is_escaped(pages):
    text = "{% for time in times %}{% trans %}{{ time }} ago{% endtrans %} {{ _('Journeys') }};{% endfor %}"
    shown = {}
    for spoken in ("en", "zh", "en"):
        with language.speaking(spoken):
            shown[spoken] = rendered(pages, text, times=["<3 s>", Markup("<b>4</b> s")])
    assert shown["en"] == "&lt;3 s&gt; ago Journeys;<b>4</b> s ago Journeys;"
    assert shown["zh"] == "&lt;3 s&gt; 前 旅程;<b>4</b> s 前 旅程;"


def test_a_number_of_things_has_its_form_and_a_percent_sign_is_one(pages):
    text = "{% trans n=n %}{{ n }} thing, 100 %{% pluralize n %}{{ n }} things, 100 %{% endtrans %}"
    assert [rendered(pages, text, n=n) for n in (1, 2)] == ["1 thing, 100 %", "2 things, 100 %"]


@pytest.mark.parametrize("word", ["<script>", "100 %", "%(name)s"])
def test_a_word_that_is_no_message_is_told_as_it_is(pages, word):
    assert rendered(pages, "{{ _(word) }}", word=word) == str(escape(word))
