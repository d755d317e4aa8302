"""The files of `maibo generate dashboards`: the same dashboards, in the form that whoever brings them into Grafana reads.

* ``json``: as Grafana imports them, and reads them from a folder (`provisioning`).
* ``configmap``: a ConfigMap of Kubernetes each, labelled for the sidecar of Grafana's chart.
* ``grafana-operator``: a GrafanaDashboard each, of the Grafana operator.
* ``v1-resource``: a Dashboard each of Grafana's own resource API (12.2 and later), and its Folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from maibo_dashboards import boards
from maibo_dashboards.errors import OutputError
from maibo_dashboards.outputs.folder import folder_uid
from maibo_dashboards.outputs.text import yaml_text
from maibo_dashboards.render import render
from maibo_slo.plugins import Artefact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from maibo_dashboards.targets import Source
    from maibo_slo.documents import Catalogue

    _Made = Callable[[Mapping[str, Any], "Placed"], Mapping[str, Any]]

Form = Literal["json", "configmap", "grafana-operator", "v1-resource"]

MOST_BYTES: Final = 2**20
"""Of a ConfigMap's data; Kubernetes refuses more. Of any object, etcd takes little more."""
APPLIED_BYTES: Final = 2**18
"""Of an object's annotations: `kubectl apply` keeps the whole object in one, unless the server applies it."""
SIDECAR_LABEL: Final = {"grafana_dashboard": "1"}
"""What the sidecar of Grafana's Helm chart and of kube-prometheus-stack looks for, if not told otherwise."""
SIDECAR_FOLDER: Final = "grafana_folder"
"""The annotation that it takes the folder from, once its ``folderAnnotation`` says so."""
DASHBOARDS: Final = "dashboard.grafana.app/v1"
FOLDERS: Final = "folder.grafana.app/v1beta1"
_MANAGED: Final = {"app.kubernetes.io/managed-by": "maibo"}


@dataclass(frozen=True, slots=True)
class Placed:
    """Where dashboards go."""

    folder: str
    """Title of Grafana's folder; '' none."""
    instances: Mapping[str, str]
    """Labels of the Grafanas that the operator brings them into."""


def documents(catalogue: Catalogue, source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every dashboard that there is for this kind of data source, as Grafana reads it, and its file's name without ``.json``."""
    for name, board in boards.every(catalogue, source):
        yield name, json.loads(render(board))


def files(catalogue: Catalogue, *, source: Source, form: Form, folder: str, instances: str) -> Iterator[Artefact]:
    """A file a dashboard. The same documents and options give the same bytes.

    OutputError when a dashboard is too large for its form, or `instances` are no labels.
    """
    placed = Placed(folder, _labels(instances))
    made, where, text = _FORMS[form]
    suffix = "json" if text is _json_text else "yaml"
    below = where if source == "clickhouse" else f"{where}/{source}"
    if form == "v1-resource" and folder:
        yield Artefact(f"{where}/folder.json", text(_folder(folder)))
    for name, document in documents(catalogue, source):
        written = made(document, placed)
        yield Artefact(f"{below}/{name}.{suffix}", text(written), _notes(form, written))


def _as_json(document: Mapping[str, Any], _: Placed) -> Mapping[str, Any]:
    return document


def _as_configmap(document: Mapping[str, Any], placed: Placed) -> Mapping[str, Any]:
    uid, text = document["uid"], _json_text(document)
    key = f"{uid}.json"  # sidecars write the files of all ConfigMaps into one folder
    _check_size(document, len(key) + len(text.encode()), "a ConfigMap")
    annotations = {"annotations": {SIDECAR_FOLDER: placed.folder}} if placed.folder else {}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": uid, "labels": _MANAGED | SIDECAR_LABEL, **annotations},
        "data": {key: text},
    }


def _as_operators(document: Mapping[str, Any], placed: Placed) -> Mapping[str, Any]:
    text = _json_text(document)
    _check_size(document, len(text.encode()), "an object of Kubernetes")
    return {
        "apiVersion": "grafana.integreatly.org/v1beta1",
        "kind": "GrafanaDashboard",
        "metadata": {"name": document["uid"], "labels": _MANAGED},
        "spec": {
            "instanceSelector": {"matchLabels": placed.instances},
            **({"folder": placed.folder} if placed.folder else {}),
            "json": text,
        },
    }


def _as_resource(document: Mapping[str, Any], placed: Placed) -> Mapping[str, Any]:
    """Its name is the uid; what the API counts itself is left out."""
    annotations = {"annotations": {"grafana.app/folder": folder_uid(placed.folder)}} if placed.folder else {}
    return {
        "apiVersion": DASHBOARDS,
        "kind": "Dashboard",
        "metadata": {"name": document["uid"], **annotations},
        "spec": {key: value for key, value in document.items() if key not in {"id", "uid", "version"}},
    }


def _folder(title: str) -> Mapping[str, Any]:
    return {"apiVersion": FOLDERS, "kind": "Folder", "metadata": {"name": folder_uid(title)}, "spec": {"title": title}}


def _json_text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


_FORMS: Final[Mapping[str, tuple[_Made, str, Callable[[Mapping[str, Any]], str]]]] = {
    "json": (_as_json, "grafana", _json_text),
    "configmap": (_as_configmap, "grafana-configmaps", yaml_text),
    "grafana-operator": (_as_operators, "grafana-operator", yaml_text),
    "v1-resource": (_as_resource, "grafana-resources", _json_text),
}
"""What is made of a dashboard, into which folder it goes, and how it is written."""


def _check_size(document: Mapping[str, Any], size: int, what: str) -> None:
    if size > MOST_BYTES:
        raise OutputError(
            f"the dashboard {document['title']!r} has {size:,} bytes, and {what} holds {MOST_BYTES:,}; "
            "bring it into Grafana with --format json or by `maibo dashboards push`"
        )


def _notes(form: Form, written: Mapping[str, Any]) -> list[str]:
    if form in {"configmap", "grafana-operator"} and len(json.dumps(written)) > APPLIED_BYTES:
        return [
            "over 256 KiB: use `kubectl apply --server-side`; without it, kubectl keeps the object in an annotation too"
        ]
    return []


def _labels(text: str) -> dict[str, str]:
    """``dashboards=grafana,team=shop``"""
    labels = {}
    for each in text.split(","):
        key, equals, value = each.strip().partition("=")
        if not (key and equals and value):
            raise OutputError(f"--instances {text!r} should be labels such as dashboards=grafana,team=shop")
        labels[key] = value
    return labels
