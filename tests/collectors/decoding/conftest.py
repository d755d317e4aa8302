"""What the tests of every decoder share: requests to decode, a slow and obvious decoder to compare with, and tallies made readable."""

import json
import math
import os
import random
import re
import shlex
import subprocess
from collections import Counter
from fractions import Fraction

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from maibo_collectors.otlp.decoding import rules as documents
from maibo_collectors.otlp.decoding.tally import CELL, EXEMPLAR, FLOW, SAMPLED, SKEWED, series_of
from maibo_slo.store.histogram import bin_of

NOW_NS = 1_800_000_005_000_000_000
SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
OVERFLOW = "__overflow__"
DIMENSIONS = (
    "deployment.environment.name",
    "service.name",
    "service.version",
    "k8s.cluster.name",
    "cloud.region",
)


@pytest.fixture(scope="session")
def now_ns():
    return NOW_NS


@pytest.fixture(scope="session")
def compiler():
    """The command of a C compiler that works; tests that need it are skipped where there is none, and say why."""
    command = shlex.split(os.environ.get("CC", "cc"))
    try:
        done = subprocess.run(
            [*command, "-E", "-x", "c", "-"],
            input=b"#include <stdlib.h>\n",
            capture_output=True,
            timeout=60,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip(f"there is no C compiler {command[0]!r} (Debian: gcc libc6-dev)")
    if done.returncode:
        pytest.skip(f"the C compiler {command[0]!r} has no C library to compile against (Debian: libc6-dev)")
    return command


@pytest.fixture(scope="session")
def rules():
    """Rules that use everything rules have, with a cap that is met at once."""
    rule, condition = documents.Rule, documents.Condition
    return documents.Rules(
        spans=(
            rule(journey="checkout", attributes=(condition("http.route", ("/checkout", "/pay*")),), kind=2),
            rule(journey="checkout", step="pay", attributes=(condition("http.route", ("/pay*",)),), tier="app.tier"),
            rule(journey="checkout", step="pay", name=("pay *now",), variant="app.tier", reason="app.reason"),
            rule(
                journey="search",
                resource=(condition("service.name", ("sh*p",)), condition("cloud.provider", ("*",))),
                failure=(condition("http.status", ("4*", "5*")), condition("error.type", ("*",))),
            ),
        ),
        thresholds_us={"checkout": 40_000, "search": 100_000_000, "a": 1},
        journeys=("search", "d"),
        series_limit=12,
        journey_limit=3,
        reason_limit=2,
    )


# --- the slow and obvious decoder --------------------------------------------------------------------------------------------


class Reference:
    """Counts spans one by one, straight from what is written about how they count."""

    def __init__(self, rules):
        self.rules = rules
        self.day = None

    def tally(self, request, *, received_ns=NOW_NS):
        """Of an ExportTraceServiceRequest; as `plain` tells a Tally."""
        if self.day != received_ns // DAY_NS:
            self.day = received_ns // DAY_NS
            self.series, self.steps, self.reasons, self.outcomes = {}, {}, {}, set()
        self.received = received_ns
        self.out = {
            "cells": Counter(),
            "started": Counter(),
            "ended": Counter(),
            "sampled": Counter(),
            "sampled spans": Counter(),
            "skewed": Counter(),
            "reasons": Counter(),
            "rejected": Counter(),
            "overflowed": Counter(),
            "is": Counter(),
        }
        self.candidates = []
        self.served = {}
        for resource_spans in request.resource_spans:
            resource = texts(resource_spans.resource.attributes)
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    self.out["is"][self.span(resource, span)] += 1
        return {name: dict(counter) for name, counter in self.out.items()} | {
            "exemplars": self.exemplars(),
            "served": {pod: (min(ends), max(ends)) for pod, ends in self.served.items()},
        }

    def span(self, resource, span):
        attributes = texts(span.attributes)
        wanted = self.wanted(resource, attributes, span)
        if isinstance(wanted, str):
            self.out["rejected"][wanted] += 1
            return "rejected"
        if not wanted:
            return "ignored"
        fates = [self.capped(*each) for each in wanted]
        weight = self.weight(span)
        if weight is None:
            self.out["rejected"]["sampled more thinly than one in 1000000"] += 1
            return "rejected"
        n, weighted = weight
        end, start = span.end_time_unix_nano, span.start_time_unix_nano
        skew = "ends more than a day from now, or began more than 35 days ago"
        if abs(end - self.received) > DAY_NS:
            self.out["rejected"][skew] += 1
            return "rejected"
        told = [each.value for each in span.attributes if each.key == "journey.start_time"]
        begin = told[-1].int_value * 1000 if told and told[-1].int_value > 0 else start
        timed = any(marker or not series[1] for series, _, _, marker, *_ in fates)
        if timed and not self.received - 35 * DAY_NS <= begin <= self.received + DAY_NS:
            self.out["rejected"][skew] += 1
            return "rejected"
        t, begun, duration = end // (10 * SECOND_NS) * 10, begin // (10 * SECOND_NS) * 10, end - start
        for series, reason, started, marker, threshold_us, _ in fates:
            if marker:
                self.out["started"][begun, series] += n
                return "counted"
            if not series[1]:
                self.out["ended"][begun, series] += n
                if started or not told:
                    self.out["started"][begun, series] += n
            if duration < 0:
                self.out["skewed"][t, series] += n
                continue
            bin_ = bin_of(min(duration, 2**63 - 1))
            self.out["cells"][t, series, bin_] += n
            if reason:
                self.out["reasons"][t, series, reason] += n
            if weighted:
                self.out["sampled"][t, series] += n
                self.out["sampled spans"][t, series] += 1
            if len(span.trace_id) == 16 and len(span.span_id) == 8:
                why = 0 if series[9] == "failure" else 1 if 0 < threshold_us * 1000 < duration and not series[1] else 2
                self.candidates.append((end, series, bin_, why, duration, span.trace_id, span.span_id))
        if duration < 0:
            return "skewed"
        for journey in {series[0] for series, *_, overflowed in fates if overflowed}:
            self.out["overflowed"][journey] += 1
        pod = (
            resource.get("k8s.namespace.name", ""),
            resource.get("k8s.pod.name", ""),
            resource.get("service.name", ""),
        )
        if all(re.fullmatch("[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name) for name in pod[:2]) and "." not in pod[0]:
            self.served.setdefault(pod, []).append(end)
        return "counted"

    def wanted(self, resource, attributes, span):
        """(series, reason, started, marker, threshold) of each fate; or why it is rejected."""
        origin = tuple(resource.get(key, "") for key in DIMENSIONS)
        error = span.status.code == 2
        if "journey.name" not in attributes:
            return self.mapped(resource, attributes, span, origin, error)
        name, step = attributes["journey.name"], attributes.get("journey.step", "")
        if not name:
            return "empty journey name"
        started = attributes.get("journey.started") == "true"
        marker = started and not step and "journey.outcome" not in attributes
        outcome = attributes.get("journey.outcome", "failure" if error else "success")
        if outcome not in {"success", "failure", "abandoned"}:
            short = outcome if len(outcome) <= 60 else outcome[:59] + "…"
            if len(self.outcomes) < 20:
                self.outcomes.add(short)
            return f"unknown outcome {short!r}" if short in self.outcomes else "unknown outcome"
        dimensions = (*origin, attributes.get("journey.tier", ""), attributes.get("journey.variant", ""))
        reason = attributes.get("journey.failure_reason", "") if outcome == "failure" else ""
        series = (name, step, *dimensions, "" if marker else outcome)
        return [(series, "" if marker else reason, started, marker)]

    def mapped(self, resource, attributes, span, origin, error):
        found = {}
        for rule in self.rules.spans:
            met = (
                all(matches(each, resource) for each in rule.resource)
                and all(matches(each, attributes) for each in rule.attributes)
                and rule.kind in {0, span.kind}
                and (not rule.name or matches(documents.Condition("name", rule.name), {"name": printable(span.name)}))
            )
            if met and (rule.journey, rule.step) not in found:
                failed = any(matches(each, attributes) for each in rule.failure) if rule.failure else error
                series = (
                    rule.journey,
                    rule.step,
                    *origin,
                    attributes.get(rule.tier, "") if rule.tier else "",
                    attributes.get(rule.variant, "") if rule.variant else "",
                    "failure" if failed else "success",
                )
                reason = attributes.get(rule.reason, "") if failed else ""
                found[rule.journey, rule.step] = (series, reason, False, False)
        return list(found.values())

    def capped(self, series, reason, started, marker):
        threshold_us = self.rules.thresholds_us.get(series[0], 0)
        journey, step, outcome = series[0], series[1], series[9]
        overflowed = True
        others = [each for each in self.series if each not in self.rules.journeys]
        if journey not in {*self.series, *self.rules.journeys} and len(others) >= self.rules.journey_limit:
            series = (OVERFLOW, step and OVERFLOW, *[OVERFLOW] * 7, outcome)
        else:
            mine, steps = self.series.setdefault(journey, set()), self.steps.setdefault(journey, {""})
            place = series[:9]  # all outcomes of the same dimensions have one
            if place in mine or len(mine) < self.rules.series_limit:
                mine.add(place)
                steps.add(step)
                overflowed = False
            else:
                series = (journey, step if step in steps else OVERFLOW, *[OVERFLOW] * 7, outcome)
        if reason:
            reasons = self.reasons.setdefault(series[0], set())
            if reason not in reasons and len(reasons) >= self.rules.reason_limit:
                reason = OVERFLOW
            else:
                reasons.add(reason)
        return series, reason, started, marker, threshold_us, overflowed

    def weight(self, span):
        """(n, whether it is sampled); None: too much."""
        ours = [member.strip(" \t") for member in span.trace_state.split(",")]
        ours = [member[3:] for member in ours if member.startswith("ot=")]
        parts = [part[3:] for part in ours[0].split(";") if part.startswith("th:")] if ours else []
        if not parts or not re.fullmatch("[0-9a-f]{1,14}", parts[0]):
            return 1, False
        rejected = Fraction(int(parts[0].ljust(14, "0"), 16), 2**56)
        adjusted = 1 / (1 - rejected)
        if adjusted > 1_000_000:
            return None
        draw = Fraction(int.from_bytes(span.span_id[-4:], "big"), 2**32)
        return int(adjusted) + (draw < adjusted - int(adjusted)), rejected > 0

    def exemplars(self):
        """Failed and slow ones: the first of each minute, series and bin. Then the longest of each minute and series."""
        kept, longest = {}, {}
        for each in self.candidates:
            end, series, bin_, why, *_ = each
            minute = end // (60 * SECOND_NS)
            if why != 2:
                kept.setdefault((minute, series, bin_), each)
            if (minute, series) not in longest or each[4] > longest[minute, series][4]:
                longest[minute, series] = each
        for (minute, series), each in longest.items():
            kept.setdefault((minute, series, each[2]), (*each[:3], 2, *each[4:]))
        return set(kept.values())


def matches(condition, texts):
    patterns = (".*".join(map(re.escape, pattern.split("*"))) for pattern in condition.patterns)
    return condition.key in texts and any(re.fullmatch(each, texts[condition.key], re.DOTALL) for each in patterns)


def texts(attributes):
    return {each.key: text(each.value) for each in attributes}


def text(value):
    kind = value.WhichOneof("value")
    if kind not in {"string_value", "bool_value", "int_value", "double_value"}:
        return ""
    content = getattr(value, kind)
    return str(content).lower() if kind == "bool_value" else printable(str(content))


def printable(text):
    spoilt = {*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    cleaned = "".join("\ufffd" if ord(each) in spoilt else each for each in text[:201]).strip()
    return cleaned if len(cleaned) <= 200 else cleaned[:199] + "…"


@pytest.fixture(scope="session")
def reference():
    """``reference(rules).tally(request)``: as `plain` tells a Tally."""
    return Reference


# --- tallies, made readable --------------------------------------------------------------------------------------------------


def _plain(tally):
    series = [tuple(series_of(raw)) for raw in tally.series]
    assert len(set(series)) == len(series)

    def rows(row, raw, keys):
        found = {}
        for t, place, *rest in row.iter_unpack(raw):
            key = (t, series[place], *rest[:keys])
            assert key not in found
            found[key] = rest[keys:]
        return found

    flow = rows(FLOW, tally.flow, 0)
    sampled = rows(SAMPLED, tally.sampled, 0)
    reasons = {(t, series[place], reason): n for t, place, reason, n in tally.reasons}
    assert len(reasons) == len(tally.reasons)
    exemplars = {(end, series[place], *rest) for end, place, *rest in EXEMPLAR.iter_unpack(tally.exemplars)}
    assert len(exemplars) == len(tally.exemplars) // EXEMPLAR.size
    told = {
        "ignored": tally.ignored,
        "skewed": tally.skewed,
        "counted": tally.counted,
        "rejected": sum(tally.rejected.values()),
    }
    assert sum(told.values()) == tally.total
    return {
        "cells": {key: n for key, (n,) in rows(CELL, tally.cells, 1).items()},
        "started": {key: started for key, (started, _) in flow.items() if started},
        "ended": {key: ended for key, (_, ended) in flow.items() if ended},
        "sampled": {key: n for key, (n, _) in sampled.items()},
        "sampled spans": {key: spans for key, (_, spans) in sampled.items()},
        "skewed": {key: n for key, (n,) in rows(SKEWED, tally.skewed_rows, 0).items()},
        "reasons": reasons,
        "rejected": tally.rejected,
        "overflowed": tally.overflowed,
        "exemplars": exemplars,
        "served": _each_once(tally.served),
        "is": {name: n for name, n in told.items() if n},
    }


def _each_once(served):
    found = {each[:3]: each[3:] for each in served}
    assert len(found) == len(served)
    return found


@pytest.fixture(scope="session")
def plain():
    """A tally as sets and dicts with series spelled out, so that two are equal when they count the same, in whatever order."""
    return _plain


# --- requests ----------------------------------------------------------------------------------------------------------------

HOSTILE = [
    "x" * 10_000,
    "a\0b",
    "\x1b[31m\x07",
    "\u202egpj.exe",
    "  ",
    "'; DROP TABLE cells_10s --",
    "结" * 200,
    "\U0001f4b3",
]
TEXTS = st.sampled_from(["a", "b", "checkout", "search", "success", "failure", "true", ""]) | st.sampled_from(HOSTILE)
INDEX = AnyValue(string_value_strindex=5)
"""Of a string in a table that profiles have, and these signals have not: no text."""
VALUES = st.one_of(
    TEXTS,
    st.text(max_size=5),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 600),
    st.floats(),
    st.sampled_from([b"", b"\xff\0", None, [], ["a"], {"a": "b"}, INDEX]),
)
KEYS = {
    "journey.name": st.sampled_from(["a", "b", "checkout", "search", "c", "d"]) | VALUES,
    "journey.step": st.sampled_from(["pay", "cart", ""]) | VALUES,
    "journey.outcome": st.sampled_from(["success", "failure", "abandoned"]) | VALUES,
    "journey.tier": VALUES,
    "journey.variant": st.sampled_from(["a", "b"]),
    "journey.started": st.sampled_from([True, "true", False]) | VALUES,
    "journey.start_time": st.integers(NOW_NS // 1000 - 36 * 86_400_000_000, NOW_NS // 1000 + 90_000_000_000) | VALUES,
    "journey.failure_reason": TEXTS,
    "journey.id": st.text("0123456789abcdef", min_size=32, max_size=32),
    "http.route": st.sampled_from(["/pay", "/payment", "/checkout", "/cart"]),
    "http.status": st.sampled_from([200, 404, 503, "500"]),
    "error.type": st.sampled_from(["timeout", "declined", "reset"]),
    "app.tier": st.sampled_from(["vip", True, 3]),
    "app.reason": st.sampled_from(["timeout", "empty"]),
}
ORIGIN = dict.fromkeys(DIMENSIONS, st.sampled_from(["shop", "ship", "1.2"]) | VALUES) | {
    "cloud.provider": st.sampled_from(["x", ""]),
    "host.name": TEXTS,
    "k8s.namespace.name": st.sampled_from(["shop", "a.b", "Shop", ""]) | VALUES,
    "k8s.pod.name": st.sampled_from(["api-1", "api-2", "a.b", "-", "x" * 200, "x" * 201]) | VALUES,
}
STATES = st.sampled_from(
    [
        "",
        "ot=th:8",
        "a=b, ot=rv:1;th:c;x:y ,z=1",
        "ot=th:fd70a4",
        "ot=th:0",
        "ot=th:G",
        "ot=",
        "ot=th:" + "f" * 14,
        "ot=th:1,ot=th:8",
    ]
)
TIMES = st.one_of(
    st.integers(NOW_NS - 100 * SECOND_NS, NOW_NS),
    st.integers(NOW_NS - 2 * DAY_NS, NOW_NS + 2 * DAY_NS),
    st.sampled_from(
        [0, 1, 2**63, 2**64 - 1, NOW_NS - DAY_NS, NOW_NS + DAY_NS, NOW_NS - DAY_NS - 1, NOW_NS + DAY_NS + 1]
    ),
)


def _pairs(keys):
    return st.lists(st.sampled_from(sorted(keys)).flatmap(lambda key: st.tuples(st.just(key), keys[key])), max_size=9)


SPANS = st.fixed_dictionaries(
    {
        "attributes": st.one_of(
            _pairs(KEYS), st.just([("journey.name", "checkout")]).flatmap(lambda a: _pairs(KEYS).map(a.__add__))
        ),
        "end": TIMES,
        "duration": st.integers(0, 10**9)
        | st.integers(0, 40 * DAY_NS)
        | st.integers(-5, 1)
        | st.sampled_from([20_000, 10**18, -(10**12)]),
        "trace_id": st.sampled_from([b"t" * 16, b"u" * 16, b"", b"short", b"x" * 10_000]),
        "span_id": st.binary(min_size=8, max_size=8) | st.sampled_from([b"", b"\xff", b"long" * 9]),
        "state": STATES,
        "name": st.sampled_from(["", "pay it now", "pay now", "GET /"]),
        "kind": st.integers(0, 6),
        "status": st.integers(0, 3),
    }
)
REQUESTS = st.lists(st.tuples(_pairs(ORIGIN), st.lists(st.lists(SPANS, max_size=6), max_size=3)), max_size=3)


def _set(value, content):
    if content is None:
        return
    if content is INDEX:
        value.CopyFrom(content)
    elif isinstance(content, list):
        value.array_value.SetInParent()
        for each in content:
            _set(value.array_value.values.add(), each)
    elif isinstance(content, dict):
        for key, each in content.items():
            _set(value.kvlist_value.values.add(key=key).value, each)
    else:
        kind = {bool: "bool_value", int: "int_value", float: "double_value", bytes: "bytes_value", str: "string_value"}
        setattr(value, kind[type(content)], content)


def _request(described):
    request = ExportTraceServiceRequest()
    for origin, scopes in described:
        of_resource = request.resource_spans.add()
        for key, content in origin:
            _set(of_resource.resource.attributes.add(key=key).value, content)
        for spans in scopes:
            of_scope = of_resource.scope_spans.add()
            for each in spans:
                span = of_scope.spans.add(
                    trace_id=each["trace_id"],
                    span_id=each["span_id"],
                    trace_state=each["state"],
                    name=each["name"],
                    kind=each["kind"],
                    start_time_unix_nano=min(max(each["end"] - each["duration"], 0), 2**64 - 1),
                    end_time_unix_nano=each["end"],
                )
                span.status.code = each["status"]
                for key, content in each["attributes"]:
                    _set(span.attributes.add(key=key).value, content)
    return request


@pytest.fixture(scope="session")
def requests():
    """A hypothesis strategy: ordinary and hostile ExportTraceServiceRequests that fit `rules`."""
    return REQUESTS.map(_request)


# --- the same request in other encodings -------------------------------------------------------------------------------------


def _json_value(value, numbers):
    kind = value.WhichOneof("value")
    if kind is None:
        return {}
    content = getattr(value, kind)
    if kind == "int_value":
        content = content if numbers else str(content)
    elif kind == "double_value" and not math.isfinite(content):
        content = "NaN" if math.isnan(content) else "Infinity" if content > 0 else "-Infinity"
    elif kind == "bytes_value":
        content = "AA=="
    elif kind == "array_value":
        content = {"values": [_json_value(each, numbers) for each in content.values]}
    elif kind == "kvlist_value":
        content = {"values": _json_pairs(content.values, numbers)}
    first, *rest = kind.split("_")
    return {first + "".join(map(str.capitalize, rest)): content}


def _json_pairs(attributes, numbers):
    return [{"key": each.key, "value": _json_value(each.value, numbers)} for each in attributes]


def _json(request, *, numbers=False):
    def time(value):
        return value if numbers else str(value)

    def span(each):
        return {
            "traceId": each.trace_id.hex().upper() if numbers else each.trace_id.hex(),
            "spanId": each.span_id.hex(),
            "traceState": each.trace_state,
            "name": each.name,
            "kind": each.kind,
            "startTimeUnixNano": time(each.start_time_unix_nano),
            "endTimeUnixNano": time(each.end_time_unix_nano),
            "attributes": _json_pairs(each.attributes, numbers),
            "droppedAttributesCount": 0,
            "events": [],
            "status": {"code": each.status.code} if each.status.code else None,
        }

    return json.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": _json_pairs(each.resource.attributes, numbers)},
                    "scopeSpans": [
                        {"scope": {"name": "x"}, "spans": [span(one) for one in scope.spans]}
                        for scope in each.scope_spans
                    ],
                }
                for each in request.resource_spans
            ],
            "unknown": {"nested": [1, None]},
        }
    ).encode()


@pytest.fixture(scope="session")
def to_json():
    """A request in OTLP's JSON; `numbers`: 64-bit integers as numbers, and ids in capitals."""
    return _json


def _varint(value, pad=0):
    out = bytearray()
    while value > 127 or pad > 0:
        out.append(value & 127 | 128)
        value >>= 7
        pad -= 1
    return bytes(out) + bytes([value])


def _read_varint(raw, at):
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _fields(raw):
    """(number, wire type, content) of a canonical message."""
    at = 0
    while at < len(raw):
        tag, at = _read_varint(raw, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            content, at = _read_varint(raw, at)
        else:
            size, at = _read_varint(raw, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
            content, at = raw[at : at + size], at + size
        yield number, wire, content


def _oddly(raw, descriptor, rng):
    pieces = []
    for number, wire, content in _fields(raw):
        of = descriptor.fields_by_number.get(number)
        contents = [content]
        if wire == 2 and of.type == FieldDescriptor.TYPE_MESSAGE:
            if rng.random() < 0.1 and not of.is_repeated:  # in two pieces, which merge
                cut = [b"".join(_written(each, rng) for each in half) for half in _halves(list(_fields(content)), rng)]
                contents = cut
            contents = [_oddly(each, of.message_type, rng) for each in contents]
        elif rng.random() < 0.1 and not of.is_repeated:  # twice: the last one counts
            contents = [
                rng.randrange(3) if wire == 0 else content[::-1] if of.type != FieldDescriptor.TYPE_STRING else b"z",
                content,
            ]
        pieces.append([_written((number, wire, each), rng) for each in contents])
    if rng.random() < 0.3:
        rng.shuffle(pieces)
    if rng.random() < 0.1:
        unknown = [(1000, 2, b"journey.name"), (1001, 0, 2**64 - 1), (1002, 1, b"12345678"), (9, 0, 1), (1, 5, b"1234")]
        pieces.insert(rng.randrange(len(pieces) + 1), [_written(rng.choice(unknown), rng)])
    if rng.random() < 0.05:  # a group that nobody knows
        pieces.append([_varint(1003 << 3 | 3) + _written((1, 2, b"x"), rng) + _varint(1003 << 3 | 4)])
    return b"".join(b"".join(each) for each in pieces)


def _halves(fields, rng):
    cut = rng.randrange(len(fields) + 1)
    return fields[:cut], fields[cut:]


def _written(field, rng):
    number, wire, content = field
    tag = _varint(number << 3 | wire, pad=rng.choice([0] * 20 + [1, 2]))
    if wire == 0:
        return tag + _varint(content, pad=rng.choice([0] * 9 + [1]) if content < 2**56 else 0)
    return tag + (_varint(len(content), pad=rng.choice([0] * 20 + [1, 3])) if wire == 2 else b"") + content


@pytest.fixture(scope="session")
def oddly():
    """``oddly(body, seed)``: written as no encoder does and protobuf allows: fields twice, in pieces and in any order, unknown ones,
    lengths longer than need be. What it means by then is what upb says it means."""

    def encode(body, seed):
        return _oddly(body, ExportTraceServiceRequest.DESCRIPTOR, random.Random(seed))

    return encode
