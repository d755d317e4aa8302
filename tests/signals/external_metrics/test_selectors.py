"""Label selectors: the grammar of apimachinery, and clear refusals."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.signals.external_metrics.selectors import SelectorError, matches, parse

API = {"app": "api", "tier": "gold", "shard": "7", "k8s.io/part-of": "shop", "empty": ""}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("", True),
        ("  ", True),
        ("app=api", True),
        ("app==api", True),
        (" app = api , tier = gold ", True),
        ("app=web", False),
        ("app!=web", True),
        ("app!=api", False),
        ("missing!=web", True),
        ("missing=", False),
        ("empty=", True),
        ("empty", True),
        ("app in (web,api)", True),
        ("app in (web)", False),
        ("app in (web,)", False),
        ("empty in (web,)", True),
        ("app notin (web, jobs)", True),
        ("app notin (api)", False),
        ("missing notin (api)", True),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("! app", False),
        ("shard>6", True),
        ("shard>7", False),
        ("shard<8", True),
        ("app>1", False),
        ("missing>1", False),
        ("k8s.io/part-of=shop", True),
        ("app=api,tier in (gold,silver),!canary,shard", True),
        ("in=x", False),
        ("in", False),
        ("notin notin (in)", True),
    ],
)
def test_a_selector_selects(selector: str, *, selected: bool) -> None:
    assert matches(parse(selector), API) is selected


@pytest.mark.parametrize(
    ("selector", "wrong"),
    [
        ("=api", "name"),
        ("app api", "operator"),
        ("app in", "'('"),
        ("app in (a", "')'"),
        ("app in a", "'('"),
        ("app=api,", "name is missing"),
        (",app=api", "name"),
        ("app=a=b", "','"),
        ("!app=api", "','"),
        ("-app=api", "name"),
        ("app=-api", "value"),
        ("app=" + "a" * 64, "value"),
        ("Kubernetes.io/a/b=c", "name"),
        ("UPPER.io/a=c", "name"),
        ("shard>six", "whole numbers"),
        ("app=a&b", "value"),
        ("a" * 20_000, "characters"),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_none_is_refused_and_says_where(selector: str, wrong: str) -> None:
    with pytest.raises(SelectorError, match=wrong.replace("(", r"\(").replace(")", r"\)")):
        parse(selector)


_WORD = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,10}[A-Za-z0-9])?", fullmatch=True)


@given(st.dictionaries(_WORD, _WORD, min_size=1, max_size=5))
def test_labels_are_selected_by_themselves(labels: dict[str, str]) -> None:
    assert matches(parse(",".join(f"{key}={value}" for key, value in labels.items())), labels)
    key, value = next(iter(labels.items()))
    assert not matches(parse(f"{key} notin ({value})"), labels)


@given(st.text(max_size=40))
def test_any_text_is_a_selector_or_a_selector_error(text: str) -> None:
    with suppress(SelectorError):
        for each in parse(text):
            assert each.key in text
