"""Rules about signals of services without the SDK: what they mean, and everything that is wrong with them, told with the mend."""

import pytest

from maibo_slo.documents import Condition, SignalRule

HEAD = """\
apiVersion: maibo.dev/v1
kind: Journey
metadata:
  name: checkout
spec:
"""
"""Five lines; what tests add begins at line 6."""


def spec(text: str) -> str:
    return HEAD + "".join(f"  {line}\n" for line in text.strip("\n").splitlines())


def rules(judge, text: str) -> tuple[SignalRule, ...]:
    return judge.catalogue(spec(text)).journeys["checkout"].signals


def rule(judge, text: str) -> SignalRule:
    found, *_ = rules(judge, text)
    return found


def test_a_journey_of_one_request_needs_no_steps(judge):
    catalogue = judge.catalogue(spec("spans:\n- {service: shop, route: 'POST /checkout/{id}/pay'}"))
    journey = catalogue.journeys["checkout"]
    assert journey.steps == ()
    assert catalogue.warnings == ()
    assert journey.signals == tuple(
        SignalRule(
            signal="span",
            resource=(Condition("service.name", ("shop",)),),
            attributes=(Condition(method, ("POST",)), Condition("http.route", ("/checkout/{id}/pay",))),
            kind="server",
        )
        for method in ("http.request.method", "http.method")  # the conventions of now, and those of before
    )
    assert journey.signals[0].origin.line == 7


def test_steps_have_rules_of_their_own(judge):
    journey = judge.catalogue(
        spec("""
spans: [{route: POST /pay}]
steps:
- name: pay
  spans: [{route: POST /pay}]
- name: charge
  spans: [{rpc: shop.Payment/Charge, tierFrom: app.tier, variantFrom: app.variant, reasonFrom: app.why}]
""")
    ).journeys["checkout"]
    assert [len(step.signals) for step in journey.steps] == [2, 2]
    assert journey.signals == journey.steps[0].signals
    apart, whole = journey.steps[1].signals
    assert apart.attributes == (Condition("rpc.service", ("shop.Payment",)), Condition("rpc.method", ("Charge",)))
    assert whole.attributes == (Condition("rpc.method", ("shop.Payment/Charge",)),)
    assert {(one.kind, one.tier, one.variant, one.reason) for one in (apart, whole)} == {
        ("server", "app.tier", "app.variant", "app.why")
    }


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("route: GET /x", "server"),
        ("rpc: a.B/C", "server"),
        ("destination: orders", "consumer"),
        ("{destination: orders, kind: producer}", "producer"),
        ("name: x", ""),
        ("{name: x, kind: internal}", "internal"),
    ],
)
def test_of_the_two_ends_of_a_call_the_one_that_does_the_work_is_meant(judge, text, kind):
    item = text if text.startswith("{") else "{" + text + "}"
    assert {one.kind for one in rules(judge, f"spans: [{item}]")} == {kind}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("500", "500"),
        ("010", "10"),
        ("0x1F", "31"),
        ("0.50", "0.5"),
        ("1.0", "1.0"),
        ("1e3", "1000.0"),
        ("-0", "0"),
        ("true", "true"),
        ("False", "false"),
        ('"007"', "007"),
        ("yes", "yes"),
        ("2026-01-01", "2026-01-01"),
        ("5*", "5*"),
    ],
)
def test_values_are_the_texts_that_otlp_values_become(judge, written, text):
    assert rule(judge, f"spans: [{{attributes: {{a: {written}}}}}]").attributes == (Condition("a", (text,)),)


def test_a_list_of_values_is_any_of_them(judge):
    found = rule(judge, "spans: [{attributes: {a: [x, 1, true, x]}, name: [b, c*], failure: {s: ['4*', 500]}}]")
    assert found.attributes == (Condition("a", ("x", "1", "true")),)
    assert found.names == ("b", "c*")
    assert found.failure == (Condition("s", ("4*", "500")),)


@pytest.mark.parametrize(
    "route",
    ["GET /", "* /checkout", "GET /users/:id(.:format)", r"GET ^user/(?P<id>\d+)/$", "GET {controller}/{action}"],
)
def test_a_route_is_whatever_the_framework_calls_it(judge, route):
    path = route.partition(" ")[2]
    assert rule(judge, f"spans: [{{route: '{route}'}}]").attributes[-1] == Condition("http.route", (path,))


def test_a_star_is_any_method(judge):
    assert rule(judge, "spans: [{route: '* /x'}]").attributes == (Condition("http.route", ("/x",)),)


def test_a_log_rule_names_the_field_with_the_duration_and_its_unit(judge):
    found = rule(
        judge,
        'logs: [{service: nginx, fields: {path: /buy}, duration: {field: request_time, unit: ms}, failure: {status: "5*"}}]',
    )
    assert (found.signal, found.duration, found.duration_unit_ns) == ("log", "request_time", 1_000_000)
    assert found.attributes == (Condition("path", ("/buy",)),)


def test_the_metric_of_a_route_is_that_of_http_servers(judge):
    first, second = rules(
        judge, "metrics: [{route: POST /pay}, {name: my.duration, service: a*}]"
    )  # a route is one rule here
    assert (first.names, first.kind) == (("http.server.request.duration",), "")
    assert second.names == ("my.duration",)


KNOWN_OF_SPANS = "known here: kind, route, destination, attributes, rpc, service, resource, name, failure, reasonFrom, tierFrom, variantFrom"

WRONG = [
    ("spans: {route: GET /x}", ["6:10: error: spec.spans: must be a list, not a mapping (begin the item with '- ')"]),
    (
        "spans: []",
        ["6:10: error: spec.spans: must have at least one item (write at least one rule, or remove the field)"],
    ),
    (
        "spans: [{}]",
        [
            "6:11: error: spec.spans[0]: has no condition, and would count everything (add one of service, route, name, kind, rpc, destination, attributes, resource)"
        ],
    ),
    (
        "spans: [{failure: {a: b}}]",
        [
            "6:11: error: spec.spans[0]: has no condition, and would count everything (add one of service, route, name, kind, rpc, destination, attributes, resource)"
        ],
    ),
    (
        "spans: [{rout: GET /x, service: a}]",
        ["6:12: error: spec.spans[0].rout: unknown field (did you mean 'route'?)"],
    ),
    ("spans: [{zzzz: 1, service: a}]", [f"6:12: error: spec.spans[0].zzzz: unknown field ({KNOWN_OF_SPANS})"]),
    (
        "spans: [{route: /checkout}]",
        [
            "6:19: error: spec.spans[0].route: '/checkout' is not a route (write it as 'POST /orders/{id}'; methods are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT, TRACE, QUERY, *)"
        ],
    ),
    (
        "spans: [{route: post /checkout}]",
        [
            "6:19: error: spec.spans[0].route: 'post /checkout' is not a route (did you mean 'POST'?; write it as 'POST /orders/{id}'; methods are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT, TRACE, QUERY, *)"
        ],
    ),
    (
        "spans: [{route: GET /a?b=c}]",
        [
            "6:19: error: spec.spans[0].route: 'GET /a?b=c' is not a route (leave out the query; write it as 'POST /orders/{id}'; methods are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT, TRACE, QUERY, *)"
        ],
    ),
    (
        "spans: [{rpc: Charge}]",
        [
            "6:17: error: spec.spans[0].rpc: 'Charge' is not an RPC (write it as 'shop.Payment/Charge': service, '/', method)"
        ],
    ),
    (
        "spans: [{kind: Server, name: x}]",
        [
            "6:18: error: spec.spans[0].kind: 'Server' is not one of server, client, producer, consumer, internal (did you mean 'server'?)"
        ],
    ),
    (
        "spans: [{service: a, resource: {service.name: b}}]",
        [
            "6:21: error: spec.spans[0].service: is short for resource: {service.name: …}, which is given too (keep one of them)"
        ],
    ),
    (
        "spans: [{attributes: {journey.name: x}}]",
        [
            "6:25: error: spec.spans[0].attributes['journey.name']: what has this attribute is counted by it; rules are for what has not (remove it)"
        ],
    ),
    (
        "spans: [{attributes: {}}]",
        ["6:24: error: spec.spans[0].attributes: must not be empty (name an attribute, or remove the field)"],
    ),
    (
        "spans: [{attributes: {a: [], b: {c: d}, e: null, f: '', g: ' x', h: .inf}}]",
        [
            "6:28: error: spec.spans[0].attributes.a: must not be an empty list (name at least one value, or '*' for any)",
            "6:35: error: spec.spans[0].attributes.b: must be text, a number, true or false (write '*' for any value)",
            "6:46: error: spec.spans[0].attributes.e: must be text, a number, true or false (write '*' for any value)",
            "6:55: error: spec.spans[0].attributes.f: must not be empty (write '*' for any value)",
            "6:62: error: spec.spans[0].attributes.g: can never match: values have no spaces at their ends and no control characters (remove them)",
            "6:71: error: spec.spans[0].attributes.h: .inf is not a finite number (write it in quotes if it is text)",
        ],
    ),
    (
        "spans: [{name: " + "x" * 201 + "}]",
        [
            "6:18: error: spec.spans[0].name: has 201 characters, and of a value 200 are looked at (shorten it, with '*' at its end)"
        ],
    ),
    (
        "spans: [{name: x, tierFrom: ''}]",
        ["6:31: error: spec.spans[0].tierFrom: must name an attribute (such as app.tier)"],
    ),
    (
        "logs: [{fields: {a: b}, failure: {c: d}}]",
        ["6:10: error: spec.logs[0].duration: is required (write it as {field: request_time, unit: s})"],
    ),
    (
        "logs: [{fields: {a: b}, failure: {c: d}, duration: {field: t, unit: sec}}]",
        ["6:71: error: spec.logs[0].duration.unit: 'sec' is not one of s, ms, us, ns"],
    ),
    (
        "logs: [{fields: {a: b}, failure: {c: d}, duration: {unit: s}}]",
        [
            "6:54: error: spec.logs[0].duration.field: is required (name the field that holds how long it took)",
        ],
    ),
    (
        "logs: [{fields: {a: b}, duration: {field: t, unit: s}}]",
        [
            '6:10: warning: spec.logs[0].failure: is not given, so every record is a success (add it: failure: {status: "5*"})'
        ],
    ),
    (
        "metrics: [{service: a}]",
        [
            "6:13: error: spec.metrics[0].name: is required (name the metric; where route is given it is http.server.request.duration)"
        ],
    ),
    (
        "spans: [{route: GET /x}, {attributes: {http.route: /x, http.request.method: GET}, kind: server}]",
        ["6:28: error: spec.spans[1]: is the same rule again (the first is at line 6)"],
    ),
    (
        "spans: [{route: GET /x}]\nmetrics: [{route: GET /x}]",
        [
            "7:12: warning: spec.metrics: a request with a span and a metric counts twice (keep one of them, or tell their services apart with service)"
        ],
    ),
    ("spans: [{route: GET /x, service: a}]\nmetrics: [{route: GET /x, service: b}]", []),
    (
        "steps:\n- {name: pay, spans: [{route: POST /pay}]}",
        [
            "7:3: warning: spec.steps: steps are counted from signals, and nothing is the journey as a whole (give the journey rules of its own beside steps, unless code calls maibo.journey)"
        ],
    ),
    (
        "spans: [{route: GET /x}]\nsteps:\n- {name: a, spans: [{name: y}]}\n- {name: b, spans: [{name: y}]}",
        [
            "9:23: warning: spec.steps[1].spans[0]: such a span is 'checkout/a' too (docs.yaml:8), and counts in both (keep it in one of them, unless that is meant)"
        ],
    ),
    (
        "spans: [" + ", ".join(f"{{name: x{n}}}" for n in range(101)) + "]",
        ["6:10: error: spec.spans: has 101 rules, at most 100 are allowed (use '*' in a value)"],
    ),
    ("description: x", ["6:3: error: spec.steps: is required (add steps: [{name: pay}])"]),
]


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=[text.partition("\n")[0][:50] for text, _ in WRONG])
def test_a_wrong_rule_is_told_where_it_stands_with_the_mend(judge, text, expected):
    assert judge.problems(spec(text)) == [f"docs.yaml:{problem}" for problem in expected]


def test_a_rule_of_two_journeys_is_told(judge):
    first = spec("spans: [{service: a, route: GET /x}]")
    second = first.replace("name: checkout", "name: browse")
    assert judge.problems(f"{first}---\n{second}") == [
        "docs.yaml:13:11: warning: spec.spans[0]: such a span is 'checkout' too (docs.yaml:6), and counts in both (keep it in one of them, unless that is meant)"
    ]
