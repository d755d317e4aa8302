"""The demo shop's documents: valid, and what the demo and the docs say they are."""

from pathlib import Path

import maibo_slo
from maibo_slo.documents import load

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_examples_have_no_problem():
    catalogue = load([EXAMPLES])
    assert catalogue.warnings == ()
    assert set(catalogue.services) == {"storefront", "cart", "payment"}
    assert set(catalogue.journeys) == {"checkout", "browse"}
    assert set(catalogue.slos) == {
        "checkout-available", "checkout-fast", "checkout-vip-fast", "browse-fast", "payment-available",
    }  # fmt: skip


def test_the_demo_finds_them_inside_the_package():
    assert load([Path(maibo_slo.__file__).parent / "demo" / "examples"]).slos.keys() == load([EXAMPLES]).slos.keys()


def test_a_checkout_spans_requests_and_services():
    checkout = load([EXAMPLES]).journeys["checkout"]
    assert [(step.name, step.begins, step.ends) for step in checkout.steps] == [
        ("basket", True, False),
        ("address", False, False),
        ("payment", False, True),
        ("cancel", False, True),
        ("reserve", False, False),
        ("charge", False, False),
    ]


def test_targets_and_thresholds_are_those_of_the_demo():
    slos = load([EXAMPLES]).slos
    assert {name: slo.objectives[0].target for name, slo in slos.items()} == {
        "checkout-available": 0.995,
        "checkout-fast": 0.99,
        "checkout-vip-fast": 0.995,
        "browse-fast": 0.99,
        "payment-available": 0.995,
    }
    good = {name: slo.indicator.good.max_duration_us for name, slo in slos.items() if slo.indicator.good}
    assert good == {
        "checkout-available": None,
        "checkout-fast": 500_000,
        "checkout-vip-fast": 500_000,
        "browse-fast": 100_000,
    }


def test_the_documents_of_the_manual_are_valid(judge):
    manual = (EXAMPLES.parent / "docs" / "documents.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in manual.split("```yaml\n")[1:]]
    catalogue = judge.catalogue("---\n".join(blocks))
    assert catalogue.warnings == ()
    assert set(catalogue.slos) == {"checkout-available", "checkout-fast"}
