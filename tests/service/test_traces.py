"""Links to traces: an address over HTTP whatever the template is, and a clear line when it is none."""

import doctest
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.errors import MaiboError
from maibo_slo.service.pages import words
from maibo_slo.service.traces import trace_links

TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"


@pytest.mark.parametrize(
    ("template", "linked"),
    [
        ("https://jaeger/trace/{trace_id}", f"https://jaeger/trace/{TRACE}"),
        ("http://x:16686/t/{trace_id}?uiFind={span_id}#{trace_id}", f"http://x:16686/t/{TRACE}?uiFind={SPAN}#{TRACE}"),
        ('https://g/explore?left={"q":"{trace_id}"}', f"https://g/explore?left=%7B%22q%22:%22{TRACE}%22%7D"),
        ("https://g/a%20b/<{trace_id}>", f"https://g/a%20b/%3C{TRACE}%3E"),
        ("", None),
    ],
)
def test_the_ids_go_where_the_template_says_and_the_rest_is_escaped(template, linked):
    assert trace_links(template).of(TRACE, SPAN) == linked


@pytest.mark.parametrize(
    "template",
    [
        "javascript:alert('{trace_id}')",
        "jaeger/trace/{trace_id}",
        "//jaeger/{trace_id}",
        "https://jaeger/trace/",
        "https:///{trace_id}",
        "https://{trace_id}.example/",
        "http://[::1/{trace_id}",
    ],
)
def test_a_template_that_is_no_address_of_a_trace_is_told_with_the_setting(template):
    with pytest.raises(MaiboError, match="--trace-url is "):
        trace_links(template)


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_the_template_an_address_over_http_comes_out_and_nothing_that_ends_an_attribute(tail, trace):
    template = "https://jaeger.example/" + tail + "{trace_id}"
    try:
        links = trace_links(template)
    except MaiboError:
        return
    linked = links.of(trace, "")
    assert linked is not None
    assert not set(linked) & set('"<>{}\\ \t\r\n`') & set(map(chr, range(128)))
    assert (urlsplit(linked).scheme, urlsplit(linked).hostname) == ("https", "jaeger.example")


def test_the_examples_of_values_in_words_hold():
    assert doctest.testmod(words).attempted >= 3
    assert doctest.testmod(words).failed == 0
