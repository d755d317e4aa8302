"""Quantities and Status, as Kubernetes reads them."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.signals.external_metrics.answers import quantity, resources, status


@given(st.floats(min_value=-1e12, max_value=1e12))
def test_a_quantity_is_rounded_up_to_the_milli_and_has_no_exponent(number: float) -> None:
    text = quantity(number)
    milli = int(text[:-1]) if text.endswith("m") else int(text) * 1000
    exact = (Decimal(number) * 1000).to_integral_value(ROUND_CEILING)
    assert abs(milli - exact) <= max(1, abs(exact) // 10**15)  # the product is a double
    assert set(text) <= set("-0123456789m")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (8, "8"), (2.5, "2500m"), (1e-05, "1m"), (10**30, f"{2**63 - 1}m")]
)
def test_a_quantity_is_written_as_kubernetes_does(number: float, text: str) -> None:
    assert quantity(number) == text


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_no_quantity(number: float) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        quantity(number)


def test_a_failure_says_so_in_the_words_of_the_api() -> None:
    said = status(503, "signal shop/checkout-api is stale")
    assert (said["kind"], said["apiVersion"], said["status"], said["reason"], said["code"]) == (
        "Status",
        "v1",
        "Failure",
        "ServiceUnavailable",
        503,
    )


def test_discovery_lists_a_namespaced_metric() -> None:
    (metric,) = resources()["resources"]
    assert (metric["namespaced"], metric["kind"]) == (True, "ExternalMetricValueList")
