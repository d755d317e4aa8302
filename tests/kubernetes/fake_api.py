"""A Kubernetes API server for tests: list, watch, get, patch and create over real HTTP, with all that goes wrong there, on demand.

It keeps objects with resourceVersions, serves pages, bookmarks and 410s, and whatever a test scripts: refusals, delays, garbage, connections
that break off. What it does not do: validation, defaulting, controllers, garbage collection. Tests of other rooms load it by its path, or use
the fixtures in conftest.py. kmock, which is for the same, has neither pages nor resourceVersions in its watches, nor bookmarks.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import queue
import ssl
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

Json = dict[str, Any]
KINDS = {
    "pods": ("", "v1", "Pod"),
    "events": ("", "v1", "Event"),
    "nodes": ("", "v1", "Node"),
    "services": ("", "v1", "Service"),
    "configmaps": ("", "v1", "ConfigMap"),
    "deployments": ("apps", "v1", "Deployment"),
    "statefulsets": ("apps", "v1", "StatefulSet"),
    "replicasets": ("apps", "v1", "ReplicaSet"),
    "horizontalpodautoscalers": ("autoscaling", "v2", "HorizontalPodAutoscaler"),
    "endpointslices": ("discovery.k8s.io", "v1", "EndpointSlice"),
    "subjectaccessreviews": ("authorization.k8s.io", "v1", "SubjectAccessReview"),
    "tokenreviews": ("authentication.k8s.io", "v1", "TokenReview"),
}
CUSTOM = {
    "scaledobjects": ("keda.sh", "v1alpha1", "ScaledObject"),
    "rollouts": ("argoproj.io", "v1alpha1", "Rollout"),
    "nodeclaims": ("karpenter.sh", "v1", "NodeClaim"),
}
"""Not installed until a test says so."""
CLUSTER_SCOPED = {"nodes", "nodeclaims", "subjectaccessreviews", "tokenreviews"}
_END = object()
_CUT = object()


@dataclass(frozen=True)
class Request:
    """One that came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    verb: str
    plural: str

    @property
    def watches(self) -> bool:
        return self.verb == "watch"


@dataclass
class Refusal:
    """What a test has scripted against requests of a verb and plural ('*': any)."""

    verb: str
    plural: str
    status: int
    reason: str
    message: str
    times: float
    namespace: str = "*"
    headers: dict[str, str] = field(default_factory=dict)
    after: int = 0
    """So many are let through first."""

    def meets(self, verb: str, plural: str, namespace: str) -> bool:
        return (
            self.times > 0
            and self.verb in ("*", verb)
            and self.plural in ("*", plural)
            and self.namespace in ("*", namespace)
        )


class FakeApi:
    """The server; a context manager. Everything may be called from any thread."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.kinds = dict(KINDS)
        self.delay_seconds = 0.0
        """Before each answer."""
        self.gone_as = "event"
        """How a watch from a forgotten version is told: ``event`` (HTTP 200 and an ERROR) or ``status`` (HTTP 410)."""
        self.tokens: set[str] | None = None
        """Bearer tokens that are let in; None: anybody is."""
        self.reviews: dict[str, Callable[[Json], Json]] = {
            "subjectaccessreviews": lambda _: {"allowed": True},
            "tokenreviews": lambda _: {"authenticated": False},
        }
        """By plural: from the body of a review to its status."""
        self._changed = threading.Condition()
        self._version = 1000
        self._forgotten = 0
        self._objects: dict[str, dict[tuple[str, str], Json]] = {}
        self._history: dict[str, list[tuple[int, str, Json]]] = {}
        self._snapshots: dict[str, tuple[int, list[Json]]] = {}
        self._watches: list[_Watch] = []
        self._begun: Counter[str] = Counter()
        self._refusals: list[Refusal] = []
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()
        self._thread.join(5)

    def kubeconfig(self, folder: Path, *, token: str = "", **user: Any) -> Path:
        """Writes one that leads here, with a user's other fields as given."""
        written = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": "me", "user": {**({"token": token} if token else {}), **user}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "me"}}],
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(written))
        return path

    # What is in the cluster.

    def put(self, plural: str, body: Json) -> Json:
        """Create or replace an object, filling in what an API server would; watches hear of it."""
        with self._changed:
            made = copy.deepcopy(body)
            metadata = made.setdefault("metadata", {})
            if plural not in CLUSTER_SCOPED:
                metadata.setdefault("namespace", "default")
            key = (metadata.get("namespace", ""), metadata["name"])
            objects = self._objects.setdefault(plural, {})
            before = objects.get(key)
            group, version, kind = (self.kinds | CUSTOM)[plural]
            made.setdefault("apiVersion", f"{group}/{version}" if group else version)
            made.setdefault("kind", kind)
            metadata.setdefault("uid", before["metadata"]["uid"] if before else str(uuid.uuid4()))
            created = before["metadata"]["creationTimestamp"] if before else stamp(time.time())
            metadata.setdefault("creationTimestamp", created)
            self._version += 1
            metadata["resourceVersion"] = str(self._version)
            objects[key] = made
            self._tell(plural, "MODIFIED" if before else "ADDED", made)
            return copy.deepcopy(made)

    def change(self, plural: str, name: str, namespace: str = "default", **fields: Any) -> Json:
        """Merge fields (``spec``, ``status``, ``metadata``) into an object, as a merge patch does."""
        with self._changed:
            return self.put(plural, merged(self.object(plural, name, namespace), fields))

    def object(self, plural: str, name: str, namespace: str = "default") -> Json:
        """As it is now. KeyError."""
        with self._changed:
            key = ("" if plural in CLUSTER_SCOPED else namespace, name)
            return copy.deepcopy(self._objects[plural][key])

    def delete(self, plural: str, name: str, namespace: str = "default", *, told: bool = True) -> None:
        """Take it away; `told=False`: no watch ever hears of it (as in a gap)."""
        with self._changed:
            gone = self._objects[plural].pop(("" if plural in CLUSTER_SCOPED else namespace, name))
            self._version += 1
            gone["metadata"]["resourceVersion"] = str(self._version)
            if told:
                self._tell(plural, "DELETED", gone)

    def install(self, plural: str) -> None:
        """A custom resource."""
        self.kinds[plural] = CUSTOM[plural]

    def uninstall(self, plural: str) -> None:
        del self.kinds[plural]
        self._objects.pop(plural, None)
        self.end(plural)

    # What goes wrong.

    def refuse(
        self,
        plural: str = "*",
        verb: str = "*",
        *,
        status: int = 403,
        reason: str = "Forbidden",
        message: str = "",
        times: float = float("inf"),
        namespace: str = "*",
        headers: dict[str, str] | None = None,
        after: int = 0,
    ) -> Refusal:
        """Answer so from now on, or `after` so many, or so many times; set ``.times = 0`` to be kind again."""
        said = message or f'{plural} is forbidden: User "maibo" cannot {verb} resource "{plural}"'
        refusal = Refusal(verb, plural, status, reason, said, times, namespace, headers or {}, after)
        with self._changed:
            self._refusals.append(refusal)
        return refusal

    def forget(self) -> None:
        """All history: to watch from, or continue a list of, what was until now is 410. Watches that run go on."""
        with self._changed:
            self._version += 1
            self._forgotten = self._version
            self._history.clear()
            self._snapshots.clear()

    def gone(self, plural: str) -> None:
        """Tell running watches that their version has expired, by an ERROR, and end them."""
        self.inject(plural, line("ERROR", status_of(410, "Expired", "too old resource version")))
        self.end(plural)

    def inject(self, plural: str, sent: bytes) -> None:
        """Send these bytes to running watches, as a chunk."""
        self._send(plural, sent)

    def bookmark(self, plural: str = "*") -> None:
        with self._changed:
            for each in self._running(plural):
                _, version, kind = (self.kinds | CUSTOM)[each.plural]
                said = {"kind": kind, "apiVersion": version, "metadata": {"resourceVersion": str(self._version)}}
                each.queue.put(line("BOOKMARK", said))

    def end(self, plural: str = "*") -> None:
        """Running watches, as when their time is over."""
        self._send(plural, _END)

    def cut(self, plural: str = "*", *, after: bytes = b"") -> None:
        """Break running watches' connections off, after some bytes more (half a line, say)."""
        if after:
            self._send(plural, after)
        self._send(plural, _CUT)

    # What a test waits for.

    def watching(self, plural: str, begun: int = 1, *, seconds: float = 10.0) -> None:
        """Wait until so many watches have begun, those that ended since too. AssertionError."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._begun[plural] >= begun, seconds), self.seen()

    def begun(self, plural: str) -> int:
        """Watches that have begun until now."""
        with self._changed:
            return self._begun[plural]

    def asked(self, verb: str, plural: str, count: int = 1, *, seconds: float = 10.0) -> list[Request]:
        """Wait until so many requests came. AssertionError."""
        with self._changed:

            def found() -> list[Request]:
                return [each for each in self.requests if (each.verb, each.plural) == (verb, plural)]

            assert self._changed.wait_for(lambda: len(found()) >= count, seconds), self.seen()
            return found()

    def seen(self) -> str:
        return "\n".join(f"{each.verb} {each.path} {each.query}" for each in self.requests)

    def scale(self, plural: str, name: str, namespace: str) -> Json:
        """An object's ``/scale``."""
        of = self.object(plural, name, namespace)
        metadata = {key: of["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
        return {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": metadata,
            "spec": {"replicas": of.get("spec", {}).get("replicas", 1)},
            "status": {"replicas": of.get("status", {}).get("replicas", 0)},
        }

    # How it answers.

    def _tell(self, plural: str, type_: str, changed: Json) -> None:
        said = copy.deepcopy(changed)
        self._history.setdefault(plural, []).append((self._version, type_, said))
        for watch in self._running(plural):
            if watch.namespace in ("", said["metadata"].get("namespace", "")):
                watch.queue.put(line(type_, said))
        self._changed.notify_all()

    def _send(self, plural: str, item: Any) -> None:
        with self._changed:
            for each in self._running(plural):
                each.queue.put(item)

    def _running(self, plural: str) -> list[_Watch]:
        return [each for each in self._watches if plural in ("*", each.plural)]

    def refused(self, verb: str, plural: str, namespace: str) -> Refusal | None:
        with self._changed:
            for each in self._refusals:
                if each.meets(verb, plural, namespace):
                    if each.after > 0:
                        each.after -= 1
                        continue
                    each.times -= 1
                    return each
        return None

    def noted(self, request: Request) -> None:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    def listed(self, plural: str, namespace: str, query: dict[str, str]) -> Json | None:
        """A page; None: its continue token has expired."""
        group, version, kind = self.kinds[plural]
        with self._changed:
            token = query.get("continue", "")
            if token:
                if token not in self._snapshots:
                    return None
                at, items = self._snapshots.pop(token)
            else:
                at = self._version
                kept = self._objects.get(plural, {})
                items = [copy.deepcopy(kept[key]) for key in sorted(kept) if namespace in ("", key[0])]
            limit = int(query.get("limit", "0")) or len(items)
            page, rest = items[:limit], items[limit:]
            metadata: Json = {"resourceVersion": str(at)}
            if rest:
                metadata["continue"] = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()
                metadata["remainingItemCount"] = len(rest)
                self._snapshots[metadata["continue"]] = (at, rest)
        # As the real one: items of a list do not say what kind they are.
        bare = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in page]
        return {
            "kind": f"{kind}List",
            "apiVersion": f"{group}/{version}" if group else version,
            "metadata": metadata,
            "items": bare,
        }

    @contextlib.contextmanager
    def watched(self, plural: str, namespace: str, version: int) -> Iterator[_Watch | None]:
        """A watch that has all since then in its queue; None: nobody knows any more."""
        with self._changed:
            if version < self._forgotten:
                watch = None
            else:
                watch = _Watch(plural, namespace)
                for at, type_, said in self._history.get(plural, []):
                    if at > version and namespace in ("", said["metadata"].get("namespace", "")):
                        watch.queue.put(line(type_, said))
                self._watches.append(watch)
                self._begun[plural] += 1
                self._changed.notify_all()
        try:
            yield watch
        finally:
            with self._changed:
                if watch is not None:
                    self._watches.remove(watch)
                self._changed.notify_all()


@dataclass(eq=False)
class _Watch:
    plural: str
    namespace: str
    queue: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: deque[Any] = deque(maxlen=1000)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever breaks off is no error of the server."""

    def close_connections(self) -> None:
        """Idle ones, which their threads wait on."""
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(2)


def _handler(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            self._serve()

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

        def _serve(self) -> None:
            length = int(self.headers.get("content-length", 0))
            raw = self.rfile.read(length) if length else b""
            url = urlsplit(self.path)
            query = dict(parse_qsl(url.query))
            place = _Place.of(url.path)
            verb = self._verb(place, query)
            body = json.loads(raw) if raw else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            plural = place.plural + (f"/{place.subresource}" if place.subresource else "")
            api.noted(Request(self.command, url.path, query, headers, body, verb, plural))
            if api.delay_seconds:
                time.sleep(api.delay_seconds)
            token = headers.get("authorization", "").partition(" ")[2].strip()
            if api.tokens is not None and token not in api.tokens:
                return self._status(401, "Unauthorized", "Unauthorized")
            refused = api.refused(verb, plural, place.namespace)
            if refused is not None:
                return self._status(refused.status, refused.reason, refused.message, refused.headers)
            if not place.plural:
                return self._discovery(place)
            if api.kinds.get(place.plural, ())[:2] != (place.group, place.version):
                return self._status(404, "NotFound", "the server could not find the requested resource")
            match verb:
                case "list":
                    return self._list(place, query)
                case "watch":
                    return self._watch(place, query)
                case "create":
                    return self._create(place, body)
            try:
                found = api.object(place.plural, place.name, place.namespace)
            except KeyError:
                return self._status(404, "NotFound", f'{plural} "{place.name}" not found')
            if verb == "patch":
                return self._patch(place, query, found, body)
            if place.subresource == "scale":
                found = api.scale(place.plural, place.name, place.namespace)
            return self._answer(200, found)

        def _verb(self, place: _Place, query: dict[str, str]) -> str:
            if self.command == "GET":
                if query.get("watch") in ("1", "true"):
                    return "watch"
                return "get" if place.name or not place.plural else "list"
            return {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}[self.command]

        def _discovery(self, place: _Place) -> None:
            resources = [
                {"name": plural, "namespaced": plural not in CLUSTER_SCOPED, "kind": kind, "verbs": ["list", "watch"]}
                for plural, (group, version, kind) in api.kinds.items()
                if (group, version) == (place.group, place.version)
            ]
            if not resources:
                return self._status(404, "NotFound", "the server could not find the requested resource")
            return self._answer(200, {"kind": "APIResourceList", "apiVersion": "v1", "resources": resources})

        def _list(self, place: _Place, query: dict[str, str]) -> None:
            page = api.listed(place.plural, place.namespace, query)
            if page is None:
                return self._status(410, "Expired", "The provided continue parameter is too old")
            return self._answer(200, page)

        def _create(self, place: _Place, body: Json) -> None:
            if place.plural in api.reviews:
                return self._answer(201, {**body, "status": api.reviews[place.plural](body)})
            named = merged(body, {"metadata": {"namespace": place.namespace}} if place.namespace else {})
            return self._answer(201, api.put(place.plural, named))

        def _patch(self, place: _Place, query: dict[str, str], found: Json, body: Json) -> None:
            said = body.get("metadata", {}).get("resourceVersion")
            if said not in (None, found["metadata"]["resourceVersion"]):
                return self._status(409, "Conflict", "the object has been modified; apply your changes to the latest")
            if place.subresource == "scale":
                wanted = merged(api.scale(place.plural, place.name, place.namespace), body)["spec"]["replicas"]
                metadata = found["metadata"]
                if wanted != found.get("spec", {}).get("replicas", 1):
                    manager = query.get("fieldManager") or self.headers.get("user-agent", "").partition("/")[0]
                    metadata = {"managedFields": [*_others(found), _manager(manager, found)]}
                api.put(place.plural, merged(found, {"spec": {"replicas": wanted}, "metadata": metadata}))
                return self._answer(200, api.scale(place.plural, place.name, place.namespace))
            return self._answer(200, api.put(place.plural, merged(found, body)))

        def _watch(self, place: _Place, query: dict[str, str]) -> None:
            ends = time.monotonic() + float(query.get("timeoutSeconds", 1800))
            with api.watched(place.plural, place.namespace, int(query.get("resourceVersion", 0))) as watch:
                if watch is None and api.gone_as == "status":
                    return self._status(410, "Expired", "too old resource version")
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.flush()
                if watch is None:
                    self._chunk(line("ERROR", status_of(410, "Expired", "too old resource version")))
                    return self._chunk(b"")
                return self._stream(watch, ends)

        def _stream(self, watch: _Watch, ends: float) -> None:
            while True:
                try:
                    item = watch.queue.get(timeout=max(0.0, ends - time.monotonic()))
                except queue.Empty:
                    item = _END
                if item is _END:
                    return self._chunk(b"")
                if item is _CUT:
                    self.close_connection = True
                    with contextlib.suppress(OSError):
                        self.connection.shutdown(2)
                    return None
                self._chunk(item)

        def _chunk(self, sent: bytes) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent))
            self.wfile.flush()

        def _answer(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
            sent = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)
            self.wfile.flush()

        def _status(self, status: int, reason: str, message: str, headers: dict[str, str] | None = None) -> None:
            self._answer(status, status_of(status, reason, message), headers)

    return Handler


@dataclass(frozen=True)
class _Place:
    """A path, taken apart."""

    group: str
    version: str
    namespace: str = ""
    plural: str = ""
    name: str = ""
    subresource: str = ""

    @classmethod
    def of(cls, path: str) -> _Place:
        parts = [unquote(each) for each in path.strip("/").split("/")]
        root, rest = (parts[1:3], parts[3:]) if parts[0] == "apis" else (["", *parts[1:2]], parts[2:])
        group, version = (*root, "", "")[:2]
        namespace = ""
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        plural, name, subresource = (*rest, "", "", "")[:3]
        return cls(group, version, namespace, plural, name, subresource)


def _manager(name: str, scaled: Json) -> Json:
    """Who has written ``/scale``, and so owns ``spec.replicas`` from now on."""
    return {
        "manager": name,
        "operation": "Update",
        "subresource": "scale",
        "apiVersion": scaled["apiVersion"],
        "time": stamp(time.time()),
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }


def _others(item: Json) -> list[Json]:
    """Who owns other fields than ``spec.replicas``."""
    kept = []
    for each in copy.deepcopy(item["metadata"].get("managedFields", [])):
        each["fieldsV1"].get("f:spec", {}).pop("f:replicas", None)
        if any(each["fieldsV1"].values()):
            kept.append(each)
    return kept


def line(type_: str, said: Json) -> bytes:
    return json.dumps({"type": type_, "object": said}).encode() + b"\n"


def status_of(code: int, reason: str, message: str) -> Json:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def merged(into: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(into) if isinstance(into, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def stamp(at: float) -> str:
    """metav1.Time: whole seconds."""
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
