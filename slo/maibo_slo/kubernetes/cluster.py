"""A connection to one cluster, and what it can be asked."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode

from maibo_slo.kubernetes.calls import Call, read, refusal, unreachable
from maibo_slo.kubernetes.connection import AUTO, client_of
from maibo_slo.kubernetes.errors import KubernetesNotFound, KubernetesUnreachable
from maibo_slo.kubernetes.resources import Resource
from maibo_slo.kubernetes.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kubernetes.client import ApiClient
    from urllib3 import HTTPResponse

    from maibo_slo.kubernetes.resources import Json

MERGE_PATCH: Final = "application/merge-patch+json"
CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
WATCH_SECONDS: Final = 290
"""How long the API server is asked to keep a watch open. It closes them after 30 to 60 min by itself; load balancers do after 5 or so."""
PAGE: Final = 500
"""Objects of one answer to a list, as kubectl asks."""
RENEW_SECONDS: Final = 10.0
"""Least time between two looks at the configuration because of a 401: an exec plugin may be slow, and asks somebody else."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a list."""

    items: Sequence[Json]
    resource_version: str
    """Of the whole list; a watch begins after it."""


class Cluster:
    """A connection to one cluster."""

    def __init__(self, config: str = AUTO, *, context: str = "") -> None:
        """`config`: path of a kubeconfig (several: joined by ``:``), or ``auto``: what ``KUBECONFIG`` says, else the pod's own service
        account, else ``~/.kube/config``. `context`: of a kubeconfig; '' its current one.

        Connects to nobody yet. KubernetesSettingsError.
        """
        self._config = config
        self._context = context
        self._lock = threading.Lock()
        self._renewed_at = float("-inf")
        self._client = client_of(config, context)
        self.address = str(self._client.configuration.host)
        """The API server's, for people."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives idle connections up; a watch that runs is to be cancelled by itself."""
        self._client.close()  # type: ignore[no-untyped-call]  # it has no types

    def serves(self, resource: Resource) -> bool:
        """Whether the API has this kind: a custom one may not be installed. Whoever may log in may ask. KubernetesError."""
        try:
            said = self._json(Call("get", Resource(resource.group, resource.version, "")), "GET")
        except KubernetesNotFound:
            return False
        return any(each.get("name") == resource.plural for each in said.get("resources") or ())

    def get(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str = "",
        subresource: str = "",
        timeout_seconds: float = ANSWER_SECONDS,
    ) -> Json:
        """One object. KubernetesError."""
        call = Call("get", resource, namespace, name, subresource)
        return self._json(call, "GET", timeout_seconds=timeout_seconds)

    def list(
        self, resource: Resource, *, namespace: str = "", limit: int = PAGE, timeout_seconds: float = ANSWER_SECONDS
    ) -> Iterator[Page]:
        """All objects (of a namespace), page by page, as they were at one moment. KubernetesError; KubernetesGone between two pages: begin anew."""
        call = Call("list", resource, namespace)
        query = {"limit": str(limit)}
        while True:
            said = self._json(call, "GET", query=query, timeout_seconds=timeout_seconds)
            metadata = said.get("metadata") or {}
            yield Page(tuple(said.get("items") or ()), str(metadata.get("resourceVersion", "")))
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    def patch(
        self,
        resource: Resource,
        name: str,
        body: Mapping[str, Any],
        *,
        namespace: str = "",
        subresource: str = "",
        content_type: str = MERGE_PATCH,
        timeout_seconds: float = ANSWER_SECONDS,
    ) -> Json:
        """Change one object, and have it as it is then. KubernetesError."""
        call = Call("patch", resource, namespace, name, subresource)
        return self._json(call, "PATCH", body=body, content_type=content_type, timeout_seconds=timeout_seconds)

    def create(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        *,
        namespace: str = "",
        timeout_seconds: float = ANSWER_SECONDS,
    ) -> Json:
        """Make one object, or ask for a review (``SubjectAccessReview``), and have the answer. KubernetesError."""
        return self._json(Call("create", resource, namespace), "POST", body=body, timeout_seconds=timeout_seconds)

    def watch(
        self,
        resource: Resource,
        *,
        resource_version: str,
        namespace: str = "",
        timeout_seconds: int = WATCH_SECONDS,
        idle_seconds: float = 150.0,
    ) -> Watching:
        """Changes after `resource_version`, with bookmarks; ends by itself after `timeout_seconds`. KubernetesError; KubernetesGone: list again.

        Nothing for `idle_seconds` (a bookmark comes each minute or so) is a broken connection.
        """
        call = Call("watch", resource, namespace)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
        }
        return Watching(self._ask(call, "GET", query=query, timeout_seconds=idle_seconds), self.address, call)

    def _json(
        self,
        call: Call,
        method: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        timeout_seconds: float = ANSWER_SECONDS,
    ) -> Json:
        response = self._ask(
            call, method, query=query, body=body, content_type=content_type, timeout_seconds=timeout_seconds
        )
        try:
            said = json.loads(read(response, self.address, call))
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise KubernetesUnreachable(
                f"what answers at {self.address} is no Kubernetes API: to {call} it said something else than JSON; "
                "check the server's address in the kubeconfig, and proxies before it"
            )
        return said

    def _ask(
        self,
        call: Call,
        method: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        timeout_seconds: float,
    ) -> HTTPResponse:
        """An answer whose head says that all is well; its body is not read yet."""
        client = self._client
        response = self._send(client, call, method, query, body, content_type, timeout_seconds)
        if response.status == 401 and self._renew(client):
            read(response, self.address, call)  # so that the connection may be used again
            response = self._send(self._client, call, method, query, body, content_type, timeout_seconds)
        if response.status >= 300:  # a redirect is not followed, with our token in it
            raise refusal(self.address, call, response.status, read(response, self.address, call), response.headers)
        return response

    def _send(
        self,
        client: ApiClient,
        call: Call,
        method: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        content_type: str,
        timeout_seconds: float,
    ) -> HTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": "maibo"}
        if body is not None:
            headers["Content-Type"] = content_type
        url = client.configuration.host + call.path + (f"?{urlencode(query)}" if query else "")
        with unreachable(self.address, call):
            with self._lock:  # a token that is renewed is set in several steps
                client.update_params_for_auth(headers, [], ["BearerToken"], call.path, method, body)
            answer = client.rest_client.request(  # type: ignore[no-untyped-call]  # nor has this
                method, url, headers=headers, body=body, _request_timeout=(CONNECT_SECONDS, timeout_seconds)
            )
        response: HTTPResponse = answer.response
        return response

    def _renew(self, refused: ApiClient) -> bool:
        """After a 401: look at the configuration again, in which somebody may have put another token or certificate."""
        with self._lock:
            if self._client is not refused:
                return True
            if time.monotonic() - self._renewed_at < RENEW_SECONDS:
                return False
            self._renewed_at = time.monotonic()
            self._client = client_of(self._config, self._context)
            return True
