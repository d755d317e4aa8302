"""What acceptors know of documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from maibo_collectors.otlp.decoding import rules
from maibo_collectors.otlp.decoding.classify import Classifier, Shape
from maibo_collectors.otlp.decoding.rules import Condition, Rule, Rules
from maibo_collectors.otlp.decoding.tally import Series, series_of
from maibo_collectors.otlp.documents import placed_rules, rules_of
from maibo_slo.documents import Catalogue, load

MAPPED = Path(__file__).parents[2] / "examples" / "mapped"

DOCUMENT = """\
apiVersion: maibo.dev/v1
kind: Journey
metadata: {name: checkout}
spec:
  threshold: 300ms
  spans:
    - service: shop
      route: "* /pay"
      failure: {http.response.status_code: ["4*", 500]}
      tierFrom: app.tier
      variantFrom: app.variant
      reasonFrom: app.why
  steps:
    - name: charge
      spans: [{rpc: shop.Payment/Charge, kind: client}]
      logs: [{service: edge, fields: {path: /pay}, failure: {ok: false}, duration: {field: took, unit: us}}]
    - name: thank
      metrics: [{name: mail.duration, attributes: {kind: thanks}}]
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    (tmp_path / "journeys.yaml").write_text(DOCUMENT)
    return load([tmp_path])


def test_rules_say_all_that_documents_do(catalogue: Catalogue) -> None:
    assert rules_of(catalogue, series_limit=7) == Rules(
        spans=(
            Rule(
                journey="checkout",
                resource=(Condition("service.name", ("shop",)),),
                attributes=(Condition("http.route", ("/pay",)),),
                kind=2,
                failure=(Condition("http.response.status_code", ("4*", "500")),),
                reason="app.why",
                tier="app.tier",
                variant="app.variant",
            ),
            Rule(
                journey="checkout",
                step="charge",
                attributes=(Condition("rpc.service", ("shop.Payment",)), Condition("rpc.method", ("Charge",))),
                kind=3,
            ),
            Rule(
                journey="checkout",
                step="charge",
                attributes=(Condition("rpc.method", ("shop.Payment/Charge",)),),
                kind=3,
            ),
        ),
        logs=(
            Rule(
                journey="checkout",
                step="charge",
                resource=(Condition("service.name", ("edge",)),),
                attributes=(Condition("path", ("/pay",)),),
                failure=(Condition("ok", ("false",)),),
                duration="took",
                duration_unit_ns=1000,
            ),
        ),
        metrics=(
            Rule(
                journey="checkout",
                step="thank",
                attributes=(Condition("kind", ("thanks",)),),
                name=("mail.duration",),
            ),
        ),
        thresholds_us={"checkout": 300_000},
        journeys=("checkout",),
        series_limit=7,
    )


def test_every_rule_knows_where_it_is_written(catalogue: Catalogue) -> None:
    assert [(placed.signal, placed.origin.line) for placed in placed_rules(catalogue)] == [
        ("span", 7),
        ("span", 15),
        ("span", 15),
        ("log", 16),
        ("metric", 18),
    ]


def test_without_documents_there_are_no_rules() -> None:
    assert rules_of(Catalogue()) == Rules()


def test_the_file_that_acceptors_read_holds_them_whole(tmp_path: Path) -> None:
    written = rules_of(load([MAPPED]))
    assert written.spans
    assert written.logs
    assert written.metrics
    rules.write(written, tmp_path / "rules.json")
    assert rules.read(tmp_path / "rules.json") == written


@pytest.mark.parametrize(
    "attributes",
    [
        {"http.request.method": "POST", "http.route": "/orders", "http.response.status_code": "201"},
        {"http.method": "POST", "http.route": "/orders", "http.status_code": "201"},
        {"http.request.method": "POST", "http.method": "POST", "http.route": "/orders"},
    ],
    ids=["conventions of now", "conventions of before", "both"],
)
def test_a_route_is_counted_once_whatever_its_method_is_called(attributes: dict[str, str]) -> None:
    assert series(attributes) == [Series("buy-book", "", "", "orders", "", "", "", "vip", "", "success")]


def test_a_failure_is_what_the_document_calls_one() -> None:
    route = {"http.request.method": "POST", "http.route": "/orders"}
    assert [one.outcome for one in series({**route, "http.response.status_code": "422"}, error=True)] == ["success"]
    assert [one.outcome for one in series({**route, "http.response.status_code": "503"})] == ["failure"]


def series(attributes: dict[str, str], *, error: bool = False) -> list[Series]:
    """What a server span of the service ``orders`` counts as."""
    judge = Classifier(rules_of(load([MAPPED])))
    values = {"service.name": "orders", "app.customer.tier": "vip"} | attributes
    shape = Shape(
        tuple(values.get(key) for key in judge.resource_keys),
        tuple(values.get(key) for key in judge.span_keys),
        error=error,
        kind=2,
        name="",
        threshold="",
    )
    return [series_of(fate.series) for fate in judge.classify(shape).fates]
