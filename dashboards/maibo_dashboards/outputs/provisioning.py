"""The files of `maibo generate grafana-provisioning`: what Grafana reads from its provisioning folder when it starts.

Nothing secret stands in them: a password is read by Grafana itself, from its environment or a file of its machine. Grafana takes ``$`` in
any value for a variable, so what was given as text is written with ``$$``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from maibo_dashboards.errors import OutputError
from maibo_dashboards.outputs.contacts import alerting
from maibo_dashboards.outputs.folder import folder_uid
from maibo_dashboards.outputs.text import yaml_text
from maibo_dashboards.targets import TYPES
from maibo_slo.plugins import Artefact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from urllib.parse import SplitResult

OFF: Final = "off"
PASSWORD: Final = "MAIBO_CLICKHOUSE_PASSWORD"  # noqa: S105 -- the variable's name
REREAD_SECONDS: Final = 30
_POLICY: Final = "Grafana replaces the organisation's whole notification policy by this one; without --page-to and --ticket-to it stays as it is"


def provisioning(
    *, clickhouse: str, prometheus: str, password_file: str, path: str, folder: str, page_to: str, ticket_to: str
) -> Iterator[Artefact]:
    """The files. The same options give the same bytes; OutputError when one of them is wrong."""
    sources = []
    if clickhouse != OFF:
        sources.append(_clickhouse(clickhouse, password_file))
    if prometheus != OFF:
        sources.append(_prometheus(prometheus))
    if sources:
        yield _file("datasources", {"datasources": sources})
    yield _file("dashboards", {"providers": [_provider(path, folder)]})
    if told := alerting(page_to, ticket_to):
        yield _file("alerting", told, _POLICY)


def _file(subject: str, said: dict[str, Any], *notes: str) -> Artefact:
    return Artefact(f"provisioning/{subject}/maibo.yaml", yaml_text({"apiVersion": 1, **said}), notes)


def _clickhouse(url: str, password_file: str) -> dict[str, Any]:
    parts = _address(url, "--clickhouse", "http://maibo@127.0.0.1:8123/default")
    secure = parts.scheme == "https"
    return {
        "name": "maibo",
        "uid": "maibo-clickhouse",
        "type": TYPES["clickhouse"],
        "access": "proxy",
        "editable": False,
        "jsonData": {
            "host": _plain(parts.hostname or ""),
            "port": parts.port or (8443 if secure else 8123),
            "protocol": "http",
            "secure": secure,
            "username": _plain(unquote(parts.username or "maibo")),
            "defaultDatabase": _plain(unquote(parts.path.strip("/")) or "default"),
        },
        "secureJsonData": {"password": f"$__file{{{password_file}}}" if password_file else f"${PASSWORD}"},
    }


def _prometheus(url: str) -> dict[str, Any]:
    parts = _address(url, "--prometheus", "http://127.0.0.1:9090")
    if parts.username is not None:
        raise OutputError(
            "--prometheus names a user: let a proxy that knows the password stand between, or leave the user out"
        )
    return {
        "name": "maibo Prometheus",
        "uid": "maibo-prometheus",
        "type": TYPES["prometheus"],
        "access": "proxy",
        "editable": False,
        "url": _plain(url),
        "jsonData": {"httpMethod": "POST"},
    }


def _provider(path: str, folder: str) -> dict[str, Any]:
    return {
        "name": "maibo",
        **({"folder": _plain(folder), "folderUid": folder_uid(folder)} if folder else {}),
        "type": "file",
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": REREAD_SECONDS,
        "options": {"path": _plain(path)},
    }


def _address(url: str, option: str, example: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # Not shown: what the parser took for a port may be a part of a password.
        raise OutputError(f"{option} is no address; write it as {example}") from None
    if parts.password is not None:
        raise OutputError(
            f"{option} holds a password, which would stand in the file; leave it out: Grafana reads it from ${PASSWORD} or --password-file"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise OutputError(f"{option} {url!r} should be like {example}, or '{OFF}'")
    return parts


def _plain(text: str) -> str:
    return text.replace("$", "$$")
