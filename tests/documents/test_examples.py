"""The examples: valid, and what the demo and the docs say they are."""

from pathlib import Path

import pytest
import yaml

import maibo_slo
from maibo_slo.documents import COMPOSITE, PromSlo, Pulse, load

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
INTEGRATIONS = ROOT / "deploy" / "integrations"


def test_the_examples_have_no_problem():
    assert load([EXAMPLES]).warnings == ()  # all of them at once too
    catalogue = load([EXAMPLES / "shop"])
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
    slos = load([EXAMPLES / "shop"]).slos
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


def of_manual(page: str) -> list[str]:
    manual = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [block.partition("```")[0] for block in manual.split("```yaml\n")[1:]]


def test_the_documents_of_the_manual_are_valid(judge):
    catalogue = judge.catalogue("---\n".join(of_manual("documents.md")))
    assert catalogue.warnings == ()
    assert set(catalogue.slos) == {
        "checkout-available", "checkout-fast", "checkout-each-month", "checkout-slices", "shopping", "checkout-by-tier",
    }  # fmt: skip
    assert set(catalogue.judged) - set(catalogue.slos) == {"orders-accepted", "storefront-scales"}
    assert set(catalogue.scaling_targets) == {"storefront"}
    assert set(catalogue.alert_policies) == {"page"}
    assert set(catalogue.corrections) == {"db-upgrade"}
    assert set(catalogue.policies) == {"storefront"}
    assert catalogue.pulse == Pulse("shop", "shop", journeys=("checkout",), orders=("checkout",))


def test_the_documents_of_the_manual_are_openslo_to_its_own_validator(judge):
    assert judge.problems("---\n".join(of_manual("documents.md")), strict=True, standard=True) == []


def test_what_the_standard_has_beside_a_rolling_window_of_events_has_an_example():
    catalogue = load([EXAMPLES / "standard"])
    assert catalogue.warnings == ()
    slos = catalogue.slos
    month = slos["seats-each-month"].calendar
    assert month is not None
    assert (month.count, month.unit, month.zone) == (1, "M", "Europe/Berlin")
    assert {name: slo.method for name, slo in slos.items() if slo.method != "Occurrences"} == {
        "booking-slices": "Timeslices",
        "finding-slices": "RatioTimeslices",
    }
    sliced = [slos[name].objectives[0] for name in ("booking-slices", "finding-slices")]
    assert [(each.slice_seconds, each.slice_target) for each in sliced] == [(300, 0.95), (600, None)]
    composite = slos["an-evening-out"]
    assert [(each.name, each.target, each.weight) for each in composite.objectives] == [
        ("find", 0.99, 0.5),
        ("book", 0.99, 1.0),
        (COMPOSITE, 0.99, 1.0),
    ]
    assert {name: slo.group_by for name, slo in slos.items() if slo.group_by} == {"booking-by-tier": ("tier",)}
    read = catalogue.judged["tickets-read"]
    assert isinstance(read, PromSlo)
    assert read.data_source is catalogue.data_sources["doors"]
    assert {name: (each.kind, each.effect, each.duration_seconds) for name, each in catalogue.corrections.items()} == {
        "till-upgrade": ("maintenance", "exclude", 5400),
        "power-cut": ("incident", "count_as_good", 2700),
    }
    assert [state.name for state in catalogue.policies["cinema"].states] == ["healthy", "slow", "frozen"]


def test_the_checkout_that_is_scaled_says_all_that_a_target_can():
    catalogue = load([EXAMPLES / "scaling"])
    assert catalogue.warnings == ()
    target = catalogue.scaling_targets["checkout-api"]
    assert str(target.workload) == "shop/Deployment/checkout-api"
    assert set(target.journeys) <= set(catalogue.journeys)
    assert set(target.slos) <= set(catalogue.slos)
    assert target.burst_pool is not None
    assert target.fast_lane is not None
    assert catalogue.scaleup_slos["checkout-scales-in-time"].indicator.counts(target.workload)
    assert catalogue.pulse is not None
    assert set(catalogue.pulse.orders) <= set(catalogue.journeys)


@pytest.mark.parametrize("block", of_manual("signals.md"))
def test_every_journey_of_the_page_about_signals_is_valid(judge, block):
    catalogue = judge.catalogue(block)
    assert catalogue.warnings == ()
    assert all(one.signals or any(step.signals for step in one.steps) for one in catalogue.journeys.values())


def test_the_bookshop_is_counted_from_spans_logs_and_metrics():
    catalogue = load([EXAMPLES / "mapped"])
    assert catalogue.warnings == ()
    assert {name: {signal.signal for signal in one.signals} for name, one in catalogue.journeys.items()} == {
        "buy-book": {"span"},
        "find-book": {"log"},
        "sign-in": {"metric"},
    }
    assert [step.name for step in catalogue.journeys["buy-book"].steps if step.signals] == [
        "reserve",
        "charge",
        "pack",
        "thank",
    ]


def test_the_collector_in_front_sends_what_is_counted_and_gives_nothing_up():
    settings = yaml.safe_load((INTEGRATIONS / "otel-collector.yaml").read_text())
    exporter = settings["exporters"]["otlphttp/maibo"]
    assert exporter["retry_on_failure"] == {"enabled": True, "max_elapsed_time": 0}
    assert exporter["sending_queue"]["storage"] in settings["service"]["extensions"]
    assert settings["service"]["pipelines"].keys() == {"traces", "metrics"}
    for pipeline in settings["service"]["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= settings[part].keys()


def test_fluent_bit_sends_the_fields_that_the_rule_asks_for():
    text = (INTEGRATIONS / "fluent-bit.yaml").read_text()
    settings = yaml.safe_load(text)
    (tail,), (output,) = settings["pipeline"]["inputs"], settings["pipeline"]["outputs"]
    assert (output["name"], output["logs_uri"], output["match"]) == ("opentelemetry", "/v1/logs", tail["tag"])
    assert tail["parser"] in {parser["name"] for parser in settings["parsers"]}
    (rule,) = load([EXAMPLES / "mapped"]).journeys["find-book"].signals
    service = next(one for one in tail["processors"]["logs"] if one.get("key") == "service.name")
    assert rule.resource[0].values == (service["value"],)
    asked = {condition.key for condition in (*rule.attributes, *rule.failure)} | {rule.duration}
    assert all(f'"{field}":' in text for field in asked)  # nginx's log_format
