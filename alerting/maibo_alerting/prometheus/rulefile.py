"""Groups of recording and alert rules, as values, and as the text that Prometheus or its operator reads."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from maibo_alerting.pairs import Severity

Format = Literal["prometheus", "operator"]

MADE: Final = "# Made from documents by `maibo generate rules`; edit those instead.\n"
_OWN_LABELS: Final = frozenset(
    {"alertname", "slo", "objective", "service", "journey", "severity", "window", "job", "instance"}
)


@dataclass(frozen=True, slots=True)
class Record:
    """One recording rule."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        return {"record": self.record, "expr": Block(self.expr), "labels": dict(self.labels)}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert rule."""

    alert: str
    expr: str
    severity: Severity
    summary: str
    description: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    wait: str = ""

    def document(self) -> dict[str, object]:
        rule: dict[str, object] = {"alert": self.alert, "expr": Block(self.expr)}
        if self.wait:
            rule["for"] = self.wait
        return rule | {
            "labels": {"severity": self.severity, **self.labels},
            "annotations": {"summary": self.summary, "description": self.description, **self.annotations},
        }


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other, at one time: a rule sees what those before it recorded."""

    name: str
    rules: Sequence[Record | Alert]
    comments: Sequence[str] = ()
    interval: str = ""
    """'' Prometheus' own."""

    def document(self) -> dict[str, object]:
        interval = {"interval": self.interval} if self.interval else {}
        return {"name": self.name, **interval, "rules": [rule.document() for rule in self.rules]}


def rule_file(groups: Sequence[Group], *, comments: Sequence[str] = (), form: Format = "prometheus", name: str) -> str:
    """The whole file. A group's comments stand above it; `name` is what Kubernetes calls the object."""
    head = MADE + _comments(comments)
    if form == "prometheus":
        return f"{head}groups:{'' if groups else ' []'}\n" + "".join(
            _comments(one.comments) + _list(one) for one in groups
        )
    body = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "maibo"}},
        "spec": {"groups": [group.document() for group in groups]},
    }
    return head + _comments([comment for group in groups for comment in group.comments]) + yaml_text(body)


def yaml_text(document: object) -> str:
    """YAML in the order given, expressions over several lines."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000)


def selector(metric: str, labels: Mapping[str, str]) -> str:
    """The series of a metric that have these labels.

    >>> selector("up", {"job": "shop"})
    'up{job="shop"}'
    """
    return metric + "{" + ",".join(f"{name}={quoted(value)}" for name, value in labels.items()) + "}"


def quoted(text: str) -> str:
    """A string of PromQL."""
    return json.dumps(text, ensure_ascii=False)


def plain(text: str) -> str:
    """Prometheus expands templates in an alert's labels and annotations: braces of a document are said as text."""
    return text.replace("{{", '{{"{{"}}')


def own_labels(labels: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """An SLO's own labels, where Prometheus allows their names and maibo does not use them."""
    named = {re.sub(r"[^a-zA-Z0-9_]", "_", key): ",".join(values) for key, values in sorted(labels.items())}
    return {key: value for key, value in named.items() if key not in _OWN_LABELS and not key[0].isdigit()}


def _list(group: Group) -> str:
    return yaml_text([group.document()])


def _comments(comments: Iterable[str]) -> str:
    return "".join(f"# {' '.join(comment.split())}\n" for comment in comments)


class Block(str):
    """A string that is written over several lines, as it reads."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """PyYAML's, without aliases, and with `Block`."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 -- asked about everything: nothing is an alias
        return True


_Dumper.add_representer(
    Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)
