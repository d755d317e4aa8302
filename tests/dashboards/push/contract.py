"""A server that speaks Grafana's API: what it stores, counts, and refuses; and small dashboards for it."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from maibo_dashboards.outputs import pushing

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from maibo_dashboards.outputs import grafana as client
    from maibo_dashboards.outputs.pushing import Pushed

TOKEN = "glsa_0123456789abcdef"


@dataclass
class Fault:
    """An answer instead of the real one, once."""

    method: str
    path: str
    status: int
    said: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    takes: bool = False
    """Whether the request is done all the same."""


class Contract:
    """Folders and dashboards as Grafana 10 to 13 keep them: it counts ids and versions, and takes no write of an older version."""

    def __init__(self) -> None:
        self.folders: dict[str, str] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.places: dict[str, str] = {}
        self.provisioned: dict[str, str] = {}
        self.requests: list[tuple[str, str]] = []
        self.hidden: set[str] = set()
        """Dashboards of which an Editor is told 403: in Grafana 10, those too that are not there."""
        self.tokens: set[str] = set()
        self.messages: list[str] = []
        self.faults: list[Fault] = []
        self.before_write: list[Callable[[], None]] = []
        self.hang = threading.Event()
        self.hang.set()

    @property
    def writes(self) -> list[str]:
        return [path for method, path in self.requests if method == "POST"]

    def answer(self, method: str, path: str, token: str, said: Any) -> tuple[int, dict[str, str], Any]:
        self.requests.append((method, path))
        self.tokens.add(token)
        self.hang.wait(5)
        fault = next((one for one in self.faults if one.method == method and path.startswith(one.path)), None)
        if fault is not None:
            self.faults.remove(fault)
            if fault.takes:
                self._done(method, path, said)
            return fault.status, fault.headers, fault.said
        if token != f"Bearer {TOKEN}":
            return 401, {}, {"message": "Invalid API key"}
        status, told = self._done(method, path, said)
        return status, {}, told

    def _done(self, method: str, path: str, said: Any) -> tuple[int, Any]:
        parts = urlsplit(path)
        match method, parts.path.strip("/").split("/"):
            case "GET", ["api", "folders"]:
                query = parse_qs(parts.query)
                limit, page = int(query["limit"][0]), int(query["page"][0])
                there = [{"uid": uid, "title": title} for uid, title in self.folders.items()]
                return 200, there[(page - 1) * limit : page * limit]
            case "GET", ["api", "folders", uid]:
                if uid not in self.folders:
                    return 404, {"message": "folder not found", "status": "not-found"}
                return 200, {"uid": uid, "title": self.folders[uid]}
            case "POST", ["api", "folders"]:
                if said["uid"] in self.folders:
                    return 409, {"message": "a folder/dashboard with the same uid already exists"}
                self.folders[said["uid"]] = said["title"]
                return 200, {"uid": said["uid"], "title": said["title"], "version": 1}
            case "GET", ["api", "dashboards", "uid", uid]:
                return self._read(uid)
            case "POST", ["api", "dashboards", "db"]:
                return self._write(said)
        return 404, {"message": "Not found"}

    def _read(self, uid: str) -> tuple[int, Any]:
        if uid in self.hidden:
            return 403, {"message": "You'll need additional permissions. Permissions needed: dashboards:read"}
        if uid not in self.dashboards:
            return 404, {"message": "Dashboard not found", "status": "not-found"}
        place = self.places[uid]
        meta = {
            "url": f"/d/{uid}/slug",
            "folderUid": place,
            "folderTitle": self.folders.get(place, "General"),
            "provisioned": uid in self.provisioned,
            "provisionedExternalId": self.provisioned.get(uid, ""),
        }
        return 200, {"dashboard": self.dashboards[uid], "meta": meta}

    def _write(self, said: Any) -> tuple[int, Any]:
        while self.before_write:
            self.before_write.pop()()
        document = said["dashboard"]
        uid, there = document["uid"], self.dashboards.get(document["uid"])
        if uid in self.provisioned:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if said["folderUid"] and said["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        if there is not None and document.get("version") != there["version"] and not said["overwrite"]:
            message = "The dashboard has been changed by someone else"
            return 412, {"status": "version-mismatch", "message": message}
        version = 1 if there is None else there["version"] + 1
        number = len(self.dashboards) + 1 if there is None else there["id"]
        self.dashboards[uid] = {**document, "id": number, "version": version}
        self.places[uid] = said["folderUid"]
        self.messages.append(said["message"])
        return 200, {"status": "success", "uid": uid, "url": f"/d/{uid}/slug", "version": version, "id": number}


@dataclass
class Served:
    """A contract, where it listens."""

    contract: Contract
    url: str


def serve(contract: Contract, tls: ssl.SSLContext | None = None) -> tuple[ThreadingHTTPServer, str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            said = json.loads(self.rfile.read(length)) if length else None
            token = self.headers.get("Authorization", "")
            status, headers, body = contract.answer(self.command, self.path, token, said)
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            with suppress(ConnectionError):  # from those who did not wait for it
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- http.server's signature
            """Nothing: the tests ask the contract."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server, f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"


def panel(title: str, sql: str = "SELECT 1", **more: Any) -> dict[str, Any]:
    return {"type": "stat", "title": title, "targets": [{"refId": "A", "rawSql": sql}], **more}


def dashboard(*panels: dict[str, Any], uid: str = "maibo-small", **more: Any) -> dict[str, Any]:
    numbered = [{**each, "id": number} for number, each in enumerate(panels, 1)]
    return {"uid": uid, "title": "Small", "editable": False, "version": 0, "panels": numbered, **more}


SMALL = dashboard(panel("Rate"), panel("P99"))


def push(grafana: client.Grafana, *documents: dict[str, Any], dry_run: bool = False) -> list[Pushed]:
    place = pushing.folder(grafana, "maibo", dry_run=dry_run)
    return [*pushing.push(grafana, documents or (SMALL,), place, dry_run=dry_run)]
