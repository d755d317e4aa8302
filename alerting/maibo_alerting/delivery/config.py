"""Where alerts go, as a file says: ``maibo serve --alert-destinations FILE``.

::

    destinations:
      - name: on-call
        type: pagerduty
        secret_file: /run/secrets/pagerduty
        severities: [page]
      - name: prometheus
        type: alertmanager
        urls: [http://am-0:9093, http://am-1:9093]

Every problem is told with its place (file:line:column, field) and its mend. Nothing else makes destinations: no API, no document.
Paths of files are relative to the file's folder.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from maibo_alerting.delivery.alertmanager import BATCH, Alertmanager
from maibo_alerting.delivery.destination import DeliveryError, Destination, Secrets
from maibo_alerting.delivery.route import SEVERITIES, Route
from maibo_alerting.delivery.settings import near, number
from maibo_alerting.delivery.webhook import Webhook
from maibo_slo.documents.problems import Position, Report, TooManyProblems
from maibo_slo.documents.yaml import List, Map, Node, parse
from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from maibo_alerting.alerts import Severity

    Adapter = Callable[[Mapping[str, object], Secrets], Destination]

BATCHES: Final[Mapping[str, int]] = {"alertmanager": BATCH, "webhook": 1, "pagerduty": 1}
"""Alerts in one request; `USUAL_BATCH` for others, which make one message of several."""
USUAL_BATCH: Final = 20
PER_MINUTE: Final[Mapping[str, int]] = {"alertmanager": 600, "webhook": 60, "pagerduty": 120}
"""Requests, where the file says nothing; `USUAL_PER_MINUTE` for others, which is what chats take. PagerDuty takes 120 a minute for each
integration, and says 429 to more."""
USUAL_PER_MINUTE: Final = 20
_WORDLESS: Final = frozenset({"alertmanager", "webhook"})
"""They take annotations as they are: in the service's language."""
_COMMON: Final = frozenset({"type", "severities", "per_minute"})
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?")


class DestinationsError(MaiboError):
    """A file of destinations that cannot be used; tells every problem, a line each."""


def load(path: Path, *, secrets: Secrets, locale: str = "en") -> tuple[Route, ...]:
    """The routes of this file, in its order; `locale`: of those that say none. DestinationsError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DestinationsError(f"{path}: cannot be read: {error.strerror}") from error
    report = Report()
    routes: dict[str, Route] = {}
    try:
        for at, entry in enumerate(_entries(parse(data, file=str(path), report=report), path, report)):
            _add(routes, entry, f"destinations[{at}]", path.parent, secrets, report, locale=locale)
    except TooManyProblems:  # the report's last line says so
        return _nothing(report)
    return _nothing(report) if report.errors else tuple(routes.values())


def adapters() -> Mapping[str, Adapter]:
    """Every type of destination that there is."""
    from maibo_alerting.delivery.adapters import ADAPTERS

    return {**ADAPTERS, "alertmanager": Alertmanager.of, "webhook": Webhook.of}


def _nothing(report: Report) -> tuple[Route, ...]:
    raise DestinationsError("\n".join(str(problem) for problem in report.problems() if problem.severity == "error"))


def _entries(nodes: Sequence[Node], path: Path, report: Report) -> tuple[Map, ...]:
    mend = "write `destinations:` and a list of them below it"
    if not nodes and not report.errors:
        report.error(Position(str(path), 1, 1), "", "the file is empty", mend)
    entries: list[Map] = []
    for node in nodes:
        if not isinstance(node, Map) or not isinstance(listed := node.values.get("destinations"), List):
            report.error(node.at, "destinations", "is needed, as a list", mend)
            continue
        for name, at in node.keys.items():
            if name != "destinations":
                report.error(at, name, "no such field", "there is destinations")
        for item in listed.items:
            if isinstance(item, Map):
                entries.append(item)
            else:
                report.error(
                    item.at, "destinations", "each is a mapping", "write `- name: NAME` and its fields below it"
                )
    return tuple(entries)


def _add(
    routes: dict[str, Route], entry: Map, path: str, folder: Path, secrets: Secrets, report: Report, *, locale: str
) -> None:
    """One entry's routes, or its problem."""
    settings = {name: _plain(node) for name, node in entry.values.items()}
    try:
        for route in _routes(settings, folder, secrets, locale=locale):
            if route.name in routes:
                at = entry.keys.get("name", entry.at)
                report.error(at, path, f"name {route.name}: another destination has it", "give each its own")
            routes[route.name] = route
    except DeliveryError as error:
        named = re.match(r"\w+", str(error))
        at = entry.keys.get(named[0], entry.at) if named else entry.at
        report.error(at, path, str(error))


def _routes(settings: Mapping[str, object], folder: Path, secrets: Secrets, *, locale: str) -> Iterator[Route]:
    """Of one entry: several Alertmanagers are a route each, so that one that is away holds up no other."""
    name, kind = settings.get("name"), settings.get("type")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DeliveryError("name is needed: small letters, digits, - . and _, 63 at most", retry=False)
    known = adapters()
    if not isinstance(kind, str) or kind not in known:
        raise DeliveryError(f"type {kind or ''} is not known; {near(str(kind), known)}".replace("  ", " "), retry=False)
    severities = _severities(settings)
    per_minute = number(settings, "per_minute", PER_MINUTE.get(kind, USUAL_PER_MINUTE), least=1, most=10_000)
    own = {
        field: str(folder / value) if field.endswith("_file") and isinstance(value, str) and value else value
        for field, value in settings.items()
        if field not in _COMMON
    }
    if kind == "alertmanager":
        for each in _each_url(own):
            one = Alertmanager.of(each, secrets)
            yield Route(one, severities, int(per_minute), BATCHES[kind], one.resend_seconds)
    else:
        if kind not in _WORDLESS:
            own.setdefault("locale", locale)
        yield Route(known[kind](own, secrets), severities, int(per_minute), BATCHES.get(kind, USUAL_BATCH))


def _severities(settings: Mapping[str, object]) -> frozenset[Severity]:
    said = settings.get("severities", list(SEVERITIES))
    if not isinstance(said, list) or not said or not all(each in SEVERITIES for each in said):
        raise DeliveryError("severities must be a list of page, ticket or both", retry=False)
    return frozenset(severity for severity in SEVERITIES if severity in said)


def _each_url(settings: Mapping[str, object]) -> list[dict[str, object]]:
    """``urls: [a, b]`` as settings of two, called ``NAME/1`` and ``NAME/2``."""
    if "urls" not in settings:
        return [dict(settings)]
    urls, rest = settings["urls"], {name: value for name, value in settings.items() if name != "urls"}
    if "url" in rest or not isinstance(urls, list) or not urls or len(set(map(str, urls))) != len(urls):
        raise DeliveryError("urls must be a list of different addresses, without url beside it", retry=False)
    return [{**rest, "name": f"{rest['name']}/{at}", "url": url} for at, url in enumerate(urls, start=1)]


def _plain(node: Node) -> object:
    """As adapters take it."""
    if isinstance(node, Map):
        return {name: _plain(value) for name, value in node.values.items()}
    if isinstance(node, List):
        return [_plain(value) for value in node.items]
    if isinstance(node.value, Decimal):
        return (
            int(node.value)
            if node.value.is_finite() and node.value == node.value.to_integral_value()
            else float(node.value)
        )
    return node.value
