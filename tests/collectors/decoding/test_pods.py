"""Which pods served, as every decoder finds it in the resources of spans."""

import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from maibo_collectors.otlp.decoding import pods
from maibo_collectors.otlp.decoding.classify import Classifier
from maibo_collectors.otlp.decoding.rules import Condition, Rule, Rules
from maibo_collectors.otlp.decoding.tally import PodServed, Tally, decode, encode
from maibo_collectors.otlp.decoding.traces import PythonTraces
from maibo_collectors.otlp.decoding.traces_json import JsonTraces

NOW_NS = 1_800_000_005_000_000_000
DAY_NS = 86_400 * 10**9
CHECKOUT = {"journey.name": "checkout"}
API = {"k8s.namespace.name": "shop", "k8s.pod.name": "api-1", "service.name": "api"}


@pytest.fixture(params=["python", "compiled", "json"])
def served(request, to_json):
    """What a decoder says of a request, or of its bytes."""
    if request.param == "compiled":
        compiled = pytest.importorskip("maibo_collectors.otlp.decoding.compiled")

    def read(asked, *, rules=None):
        classifier = Classifier(rules or Rules())
        body = asked if isinstance(asked, bytes) else asked.SerializeToString()
        if request.param == "json":
            body = to_json(ExportTraceServiceRequest.FromString(body))
            return JsonTraces(classifier).tally(body, received_ns=NOW_NS).served
        decoder = PythonTraces if request.param == "python" else compiled.CompiledTraces
        return decoder(classifier).tally(body, received_ns=NOW_NS).served

    return read


@pytest.fixture
def sent(otlp_request):
    """A request with the spans of one resource after the other."""

    def request(*resources):
        made = ExportTraceServiceRequest()
        for resource, *spans in resources:
            made.MergeFrom(otlp_request(*spans, resource=resource, now_ns=NOW_NS))
        return made

    return request


def at(seconds, **more):
    return {**CHECKOUT, "end": NOW_NS + round(seconds * 1e9), **more}


def test_a_pod_served_from_the_first_to_the_last_end_of_what_was_counted(served, sent):
    found = served(sent((API, at(-2.000000001), at(-5.25), at(-3), {"http.route": "/", "end": NOW_NS})))
    assert found == [PodServed("shop", "api-1", "api", NOW_NS - 5_250_000_000, NOW_NS - 2_000_000_001)]


@pytest.mark.parametrize(
    "span",
    [
        {"http.route": "/", "end": NOW_NS},
        {"journey.name": "", "end": NOW_NS},
        at(-2 * 86_400),
        at(0, duration=-5),
        at(0, **{"journey.started": True}),
        at(0, **{"journey.outcome": "?"}),
    ],
    ids=["no journey", "no name", "old", "ends before it starts", "a start alone", "rejected"],
)
def test_what_is_not_counted_as_ended_does_not_make_a_pod_serve(served, sent, span):
    assert served(sent((API, span))) == []


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"k8s.pod.name": "api-1"},
        {"k8s.namespace.name": "shop"},
        API | {"k8s.pod.name": ""},
        API | {"k8s.pod.name": "Api"},
        API | {"k8s.pod.name": "api 1\n"},
        API | {"k8s.pod.name": "a" * 201},
        API | {"k8s.pod.name": b"api"},
        API | {"k8s.namespace.name": "a.b"},
        API | {"k8s.namespace.name": "a" * 64},
        API | {"k8s.namespace.name": "../etc"},
    ],
    ids=lambda resource: "-".join(str(value)[:12] for value in resource.values()),
)
def test_what_is_no_pods_name_is_none(served, sent, resource):
    assert served(sent((resource, at(0)))) == []


def test_a_pod_without_a_service_is_one(served, sent):
    resource = {key: value for key, value in API.items() if key != "service.name"}
    assert served(sent((resource, at(0)))) == [PodServed("shop", "api-1", "", NOW_NS, NOW_NS)]


def test_a_pod_in_several_resources_is_told_once_in_order_of_the_first(served, sent):
    other = API | {"k8s.pod.name": "api-2"}
    found = served(
        sent((API, at(-4)), (other, at(-1), at(-9)), ({}, at(-90)), (API | {"cloud.region": "x"}, at(-2), at(-7)))
    )
    assert [(each.pod, (each.first_ns - NOW_NS) / 1e9, (each.last_ns - NOW_NS) / 1e9) for each in found] == [
        ("api-1", -7, -2),
        ("api-2", -9, -1),
    ]


def test_a_rule_may_ask_for_the_same_attributes(served, sent):
    rule = Rule(journey="checkout", resource=(Condition("k8s.pod.name", ("api*",)),), attributes=())
    found = served(
        sent((API, {"end": NOW_NS}), (API | {"k8s.pod.name": "b"}, {"end": NOW_NS})), rules=Rules(spans=(rule,))
    )
    assert [each.pod for each in found] == ["api-1"]


def test_more_pods_than_a_request_has_are_left_out_and_their_spans_counted(served, sent):
    many = sent(*((API | {"k8s.pod.name": f"api-{number}"}, at(0)) for number in range(pods.MOST_PODS + 5)))
    assert [each.pod for each in served(many)] == [f"api-{number}" for number in range(pods.MOST_PODS)]


def test_a_resource_that_has_no_span_takes_no_place(served, sent):
    empty = [(API | {"k8s.pod.name": f"empty-{number}"},) for number in range(pods.MOST_PODS)]
    assert [each.pod for each in served(sent(*empty, (API, at(0))))] == ["api-1"]


def test_what_earlier_versions_wrote_names_no_pods_and_they_read_what_this_one_writes():
    written = Tally(total=1, counted=1, served=[PodServed("shop", "api-1", "api", NOW_NS, NOW_NS)])
    fields = msgspec.msgpack.decode(encode(written))
    assert decode(encode(written)) == written
    assert decode(msgspec.msgpack.encode(fields[:-1])) == Tally(total=1, counted=1)
    assert decode(msgspec.msgpack.encode([*fields, "of a later version"])) == written  # as these were to an earlier one
