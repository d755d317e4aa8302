"""``spans``, ``logs`` and ``metrics`` of a Journey or a step: what of services without the SDK is counted as it.

Each is a list of rules. A signal that meets every condition of one of them is the journey or the step, once, however many of them it
meets. So one written rule may become several, for attributes that have two names in the world.

What can never match is an error, since nothing would tell of it later: a journey that nobody starts looks the same as one that is
not measured.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.fields import Fields, meant
from maibo_slo.documents.kinds import Condition, Origin, SignalRule
from maibo_slo.documents.yaml import List, Scalar

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_slo.documents.document import Known
    from maibo_slo.documents.problems import Position, Report
    from maibo_slo.documents.yaml import Node

MAX_RULES: Final = 100
"""In one list; each kind of span is compared with all of them."""
MAX_TEXT: Final = 200
"""Characters of an attribute's value that are looked at."""
SERVICE: Final = "service.name"
_METHOD: Final = "http.request.method"
_OLD_METHOD: Final = "http.method"
_ROUTE: Final = "http.route"
_RPC_SERVICE: Final = "rpc.service"
_RPC_METHOD: Final = "rpc.method"
_DESTINATION: Final = "messaging.destination.name"
_HTTP_METRIC: Final = "http.server.request.duration"

_KINDS: Final = ("server", "client", "producer", "consumer", "internal")
_UNITS_NS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "QUERY", "*")
_SPELLED_ROUTE: Final = re.compile(r"(\S+) ((?:[^\s?#]|\(\?)+)")  # "(?" is a regular expression's, in Django's routes
_SPELLED_RPC: Final = re.compile(r"([^\s/]+)/([^\s/]+)")


def signals(fields: Fields, place: str, known: Known) -> tuple[SignalRule, ...]:
    """The rules of a mapping that may have ``spans``, ``logs`` and ``metrics``. `place` is what they are: ``checkout``, or
    ``checkout/pay`` for a step of it.
    """
    found: list[SignalRule] = []
    for name, read in _READERS.items():
        if not fields.has(name):
            continue
        items = fields.mappings(name, mend="write at least one rule, or remove the field")
        if len(items) > MAX_RULES:
            fields.error(name, f"has {len(items)} rules, at most {MAX_RULES} are allowed", "use '*' in a value")
        for item in items:
            rules = read(item)
            item.close()
            _check_alone(item, rules[0], place, known)
            found += rules
    _check_counted_once(fields, found)
    return tuple(found)


def _span(item: Fields) -> list[SignalRule]:
    kind = _kind(item)
    routes = _route(item, methods=(_METHOD, _OLD_METHOD))
    attributes = [*_destination(item), *_conditions(item, "attributes")]
    implied = next((implied for field, implied in _IMPLIED_KINDS.items() if item.has(field)), "")
    return [
        SignalRule(
            signal="span",
            resource=_resource(item),
            attributes=(*route, *rpc, *attributes),
            names=_patterns(item, "name"),
            kind=kind or implied,
            failure=tuple(_conditions(item, "failure")),
            reason=_key(item, "reasonFrom"),
            tier=_key(item, "tierFrom"),
            variant=_key(item, "variantFrom"),
            origin=_origin(item),
        )
        for route, rpc in product(routes, _rpc(item))
    ]


def _log(item: Fields) -> list[SignalRule]:
    duration = item.mapping("duration", mend="write it as {field: request_time, unit: s}")
    field = duration.text("field", mend="name the field that holds how long it took")
    unit = duration.choice("unit", _UNITS_NS, mend=f"write one of {', '.join(_UNITS_NS)}")
    duration.close()
    if not item.has("failure"):
        item.warning("failure", "is not given, so every record is a success", 'add it: failure: {status: "5*"}')
    return [
        SignalRule(
            signal="log",
            resource=_resource(item),
            attributes=tuple(_conditions(item, "fields")),
            failure=tuple(_conditions(item, "failure")),
            reason=_key(item, "reasonFrom"),
            tier=_key(item, "tierFrom"),
            variant=_key(item, "variantFrom"),
            duration=field,
            duration_unit_ns=_UNITS_NS.get(unit, 1),
            origin=_origin(item),
        )
    ]


def _metric(item: Fields) -> list[SignalRule]:
    names = _patterns(item, "name")
    if not names and not item.has("route") and not item.has("name"):
        item.error("name", "is required", f"name the metric; where route is given it is {_HTTP_METRIC}")
    routes = _route(item, methods=(_METHOD,))  # the metric of the old conventions has another name and unit
    attributes = _conditions(item, "attributes")
    return [
        SignalRule(
            signal="metric",
            resource=_resource(item),
            attributes=(*route, *rpc, *attributes),
            names=names or (_HTTP_METRIC,),
            failure=tuple(_conditions(item, "failure")),
            reason=_key(item, "reasonFrom"),
            tier=_key(item, "tierFrom"),
            variant=_key(item, "variantFrom"),
            origin=_origin(item),
        )
        for route, rpc in product(routes, _rpc(item))
    ]


_READERS: Final[dict[str, Callable[[Fields], list[SignalRule]]]] = {"spans": _span, "logs": _log, "metrics": _metric}
SIGNALS: Final = tuple(_READERS)
_IMPLIED_KINDS: Final = {"route": "server", "rpc": "server", "destination": "consumer"}
"""Both ends of a call have a span with the same attributes: only the end that does the work is counted, unless `kind` is given."""


def _origin(item: Fields) -> Origin:
    return Origin(item.at.file, item.at.line)


def _kind(item: Fields) -> str:
    return item.choice("kind", _KINDS) if item.has("kind") else ""


def _route(item: Fields, *, methods: tuple[str, ...]) -> list[tuple[Condition, ...]]:
    """``POST /checkout/{id}``, the path as ``http.route`` has it (some frameworks' begin without ``/``): one alternative for each of
    the attributes in which the method may be.
    """
    if not item.has("route"):
        return [()]
    text = item.text("route")
    found = _SPELLED_ROUTE.fullmatch(text)
    if found is None or found[1] not in _METHODS:
        mend = f"write it as 'POST /orders/{{id}}'; methods are {', '.join(_METHODS)}"
        near = meant(found[1], _METHODS) if found else "leave out the query" if "?" in text else ""
        item.error("route", f"{text!r} is not a route", "; ".join(filter(None, (near, mend))))
        return [()]
    route = Condition(_ROUTE, (found[2],))
    return [(route,)] if found[1] == "*" else [(Condition(method, (found[1],)), route) for method in methods]


def _rpc(item: Fields) -> list[tuple[Condition, ...]]:
    """``shop.Payment/Charge`` in both spellings that there are: service and method apart, or the whole as the method."""
    if not item.has("rpc"):
        return [()]
    text = item.text("rpc")
    found = _SPELLED_RPC.fullmatch(text)
    if found is None:
        item.error("rpc", f"{text!r} is not an RPC", "write it as 'shop.Payment/Charge': service, '/', method")
        return [()]
    apart = (Condition(_RPC_SERVICE, (found[1],)), Condition(_RPC_METHOD, (found[2],)))
    return [apart, (Condition(_RPC_METHOD, (text,)),)]


def _destination(item: Fields) -> list[Condition]:
    patterns = _patterns(item, "destination")
    return [Condition(_DESTINATION, patterns)] if patterns else []


def _resource(item: Fields) -> tuple[Condition, ...]:
    services = _patterns(item, "service")
    conditions = _conditions(item, "resource")
    if services and any(condition.key == SERVICE for condition in conditions):
        item.error("service", f"is short for resource: {{{SERVICE}: …}}, which is given too", "keep one of them")
    return (Condition(SERVICE, services), *conditions) if services else tuple(conditions)


def _patterns(item: Fields, name: str) -> tuple[str, ...]:
    texts = item.texts(name)
    for text in texts:
        _check_pattern(text.value, text.at, text.path, item.report)
    return tuple(dict.fromkeys(text.value for text in texts))


def _key(item: Fields, name: str) -> str:
    """The name of an attribute, in an optional field."""
    text = item.text(name, default="")
    if item.has(name) and not text:
        item.error(name, "must name an attribute", "such as app.tier")
    return text


def _conditions(item: Fields, name: str) -> list[Condition]:
    """``{attribute: value, or a list of values}``; absent: none."""
    if not item.has(name):
        return []
    found = []
    pairs = item.pairs(name)
    if not pairs and not item.mapping(name).node.values:
        item.error(name, "must not be empty", "name an attribute, or remove the field")
    for key, at, path, node in pairs:
        if key == "journey.name":
            message = "what has this attribute is counted by it; rules are for what has not"
            item.report.error(at, path, message, "remove it")
        nodes = list(enumerate(node.items)) if isinstance(node, List) else [(None, node)]
        if not nodes:
            item.report.error(node.at, path, "must not be an empty list", "name at least one value, or '*' for any")
        values = [_value(each, path if index is None else f"{path}[{index}]", item.report) for index, each in nodes]
        found.append(Condition(key, tuple(dict.fromkeys(value for value in values if value is not None))))
    return found


def _value(node: Node, path: str, report: Report) -> str | None:
    """A value as text, spelled as an attribute's value is where it is compared: ``500``, ``0.5``, ``true``."""
    if not isinstance(node, Scalar) or node.value is None:
        report.error(node.at, path, "must be text, a number, true or false", "write '*' for any value")
        return None
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    if isinstance(node.value, Decimal):
        return _number(node.value, node.text, node.at, path, report)
    _check_pattern(node.value, node.at, path, report)
    return node.value


def _number(value: Decimal, written: str, at: Position, path: str, report: Report) -> str | None:
    number = float(value)
    if not math.isfinite(number):
        report.error(at, path, f"{written} is not a finite number", "write it in quotes if it is text")
        return None
    whole = written[:2] in {"0x", "0o"} or not set(".eE") & set(written)
    return str(int(value)) if whole else repr(number)


def _check_pattern(text: str, at: Position, path: str, report: Report) -> None:
    """Values are cut to 200 characters, without spaces at their ends, control characters replaced: others never match."""
    if not text:
        report.error(at, path, "must not be empty", "write '*' for any value")
    elif len(text) > MAX_TEXT:
        message = f"has {len(text)} characters, and of a value {MAX_TEXT} are looked at"
        report.error(at, path, message, "shorten it, with '*' at its end")
    elif text != text.strip() or not text.isprintable():
        message = "can never match: values have no spaces at their ends and no control characters"
        report.error(at, path, message, "remove them")


def _check_alone(item: Fields, rule: SignalRule, place: str, known: Known) -> None:
    """A rule without a condition would count everything; one that is written twice counts the same thing twice."""
    if not (rule.resource or rule.attributes or rule.names or rule.kind):
        if not any(map(item.has, _CONDITIONS[rule.signal])):
            message = "has no condition, and would count everything"
            item.report.error(item.at, item.path, message, f"add one of {', '.join(_CONDITIONS[rule.signal])}")
        return
    places = known.mapped.setdefault(_conditions_of(rule), {})
    if place in places:
        item.report.error(item.at, item.path, "is the same rule again", f"the first is at line {places[place].line}")
    elif other := next((other for other in places if not _whole_and_step(place, other)), None):
        what = f"such a {rule.signal} is {other!r} too ({places[other].file}:{places[other].line}), and counts in both"
        item.report.warning(item.at, item.path, what, "keep it in one of them, unless that is meant")
    places.setdefault(place, item.at)


_CONDITIONS: Final = {
    "span": ("service", "route", "name", "kind", "rpc", "destination", "attributes", "resource"),
    "log": ("service", "fields", "resource"),
    "metric": ("name", "service", "route", "rpc", "attributes", "resource"),
}


def _conditions_of(rule: SignalRule) -> tuple[object, ...]:
    """What decides whether a signal is meant, however it is written."""
    resource, attributes = (
        tuple(sorted((condition.key, tuple(sorted(condition.values))) for condition in conditions))
        for conditions in (rule.resource, rule.attributes)
    )
    return rule.signal, resource, attributes, tuple(sorted(rule.names)), rule.kind


def _whole_and_step(one: str, other: str) -> bool:
    """``checkout`` and ``checkout/pay``: one request may be a step, and the journey that consists of it."""
    return one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _check_counted_once(fields: Fields, rules: list[SignalRule]) -> None:
    """Spans and metrics of the same requests, say: each would count them."""
    for index, rule in enumerate(rules):
        for before in rules[:index]:
            if rule.signal != before.signal and _same_service(rule, before):
                message = f"a request with a {before.signal} and a {rule.signal} counts twice"
                mend = "keep one of them, or tell their services apart with service"
                fields.warning(f"{rule.signal}s", message, mend)
                return


def _same_service(one: SignalRule, other: SignalRule) -> bool:
    """Whether nothing says that they are different ones."""
    first, second = (
        {value for condition in rule.resource if condition.key == SERVICE for value in condition.values}
        for rule in (one, other)
    )
    return not first or not second or bool(first & second) or any("*" in value for value in first | second)
