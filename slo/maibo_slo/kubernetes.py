"""A cluster's API: get, list, patch, create and watch, as JSON.

The official client finds the cluster and proves who we are (kubeconfig, contexts, exec plugins, certificates, a pod's own token, which is read
again as it is renewed); its 700 models stay unused, since half of what we read is custom resources. Everything here blocks: from asyncio, call
it in a thread. A `Cluster` may be used by many threads at once.

What can go wrong, each told with its mend:

* KubernetesError (a MaiboError)
    * KubernetesSettingsError     no kubeconfig, a wrong one, or the client is not installed
    * KubernetesUnreachable       nobody answers, or the connection broke off
    * KubernetesRefused           the API answered with an error: `status`, `reason`
        * KubernetesDenied        401, 403: names the verb and the resource that RBAC must allow
        * KubernetesNotFound      404: the object, or the kind itself (a CustomResourceDefinition that is not installed)
        * KubernetesGone          410: this resourceVersion or continue token has expired; list again
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote, urlencode

from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kubernetes.client import ApiClient
    from urllib3 import HTTPResponse

AUTO: Final = "auto"
MERGE_PATCH: Final = "application/merge-patch+json"
CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
WATCH_SECONDS: Final = 290
"""How long the API server is asked to keep a watch open. It closes them after 30 to 60 min by itself; load balancers do after 5 or so."""
PAGE: Final = 500
"""Objects of one answer to a list, as kubectl asks."""
MOST_BYTES: Final = 64 * 2**20
"""Of one answer, or of one line of a watch: more than any object or page has."""
RENEW_SECONDS: Final = 10.0
"""Least time between two looks at the configuration because of a 401: an exec plugin may be slow, and asks somebody else."""
_TOLD: Final = 300
_ANONYMOUS: Final = "system:anonymous"
"""Who showed nothing: an exec plugin failed, say, of which the client only writes to the log."""
_SERVICE_HOST: Final = "KUBERNETES_SERVICE_HOST"

Json = dict[str, Any]
"""An object as the API has it."""


class KubernetesError(MaiboError):
    """The cluster's API cannot be used as asked."""


class KubernetesSettingsError(KubernetesError):
    """There is no configuration, it is wrong, or the client is not installed."""


class KubernetesUnreachable(KubernetesError):  # noqa: N818 -- the name says what is so
    """Nobody answers, or the connection broke off."""


class KubernetesRefused(KubernetesError):  # noqa: N818 -- the name says what is so
    """The API answered with an error."""

    def __init__(self, text: str, *, status: int, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
        """Kubernetes' own word: ``Forbidden``, ``Expired``, ``Conflict``, ``TooManyRequests``."""
        self.retry_after = retry_after
        """Seconds that the server asks to wait; None: it does not say."""


class KubernetesDenied(KubernetesRefused):
    """401 or 403: this account may not."""


class KubernetesNotFound(KubernetesRefused):
    """404."""


class KubernetesGone(KubernetesRefused):
    """410: what was seen last is too long ago."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object, as the API's paths and RBAC name it."""

    group: str
    """'' is the core group."""
    version: str
    plural: str
    namespaced: bool = True

    def __str__(self) -> str:
        """As kubectl writes it: ``deployments.apps``, ``pods``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, *, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Of one object, or of all (of a namespace).

        >>> Resource("apps", "v1", "deployments").path(namespace="shop", name="checkout", subresource="scale")
        '/apis/apps/v1/namespaces/shop/deployments/checkout/scale'
        >>> Resource("", "v1", "nodes", namespaced=False).path()
        '/api/v1/nodes'
        """
        root = ("apis", self.group, self.version) if self.group else ("api", self.version)
        within = ("namespaces", namespace) if namespace and self.namespaced else ()
        parts = (*root, *within, self.plural, name, subresource)
        return "/" + "/".join(quote(part, safe="") for part in parts if part)


DEPLOYMENTS: Final = Resource("apps", "v1", "deployments")
STATEFULSETS: Final = Resource("apps", "v1", "statefulsets")
ROLLOUTS: Final = Resource("argoproj.io", "v1alpha1", "rollouts")
WORKLOADS: Final[Mapping[str, Resource]] = {
    "Deployment": DEPLOYMENTS,
    "StatefulSet": STATEFULSETS,
    "Rollout": ROLLOUTS,
}
"""Kinds that a `Workload` may have, each with a ``/scale``."""


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
        self._client = _client(config, context)
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
            said = self._json(_Call("get", Resource(resource.group, resource.version, "")), "GET")
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
        call = _Call("get", resource, namespace, name, subresource)
        return self._json(call, "GET", timeout_seconds=timeout_seconds)

    def list(
        self, resource: Resource, *, namespace: str = "", limit: int = PAGE, timeout_seconds: float = ANSWER_SECONDS
    ) -> Iterator[Page]:
        """All objects (of a namespace), page by page, as they were at one moment. KubernetesError; KubernetesGone between two pages: begin anew."""
        call = _Call("list", resource, namespace)
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
        call = _Call("patch", resource, namespace, name, subresource)
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
        return self._json(_Call("create", resource, namespace), "POST", body=body, timeout_seconds=timeout_seconds)

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
        call = _Call("watch", resource, namespace)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
        }
        return Watching(self._ask(call, "GET", query=query, timeout_seconds=idle_seconds), self.address, call)

    def _json(
        self,
        call: _Call,
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
            said = json.loads(_read(response, self.address, call))
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
        call: _Call,
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
            _read(response, self.address, call)  # so that the connection may be used again
            response = self._send(self._client, call, method, query, body, content_type, timeout_seconds)
        if response.status >= 300:  # a redirect is not followed, with our token in it
            raise refusal(self.address, call, response.status, _read(response, self.address, call), response.headers)
        return response

    def _send(
        self,
        client: ApiClient,
        call: _Call,
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
        with _unreachable(self.address, call):
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
            self._client = _client(self._config, self._context)
            return True


class Watching:
    """A running watch: an iterator over its lines of JSON, each a change, a bookmark or an error, without its line's end."""

    def __init__(self, response: HTTPResponse, address: str, call: _Call) -> None:
        self._response = response
        self._address = address
        self._call = call
        self._cancelled = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        """Ends when the server ends it or it is cancelled. KubernetesUnreachable when the connection breaks off, or is silent too long."""
        waiting = bytearray()
        for chunk in self._chunks():
            waiting += chunk
            *lines, rest = waiting.split(b"\n") if b"\n" in chunk else [waiting]
            waiting = bytearray(rest)
            for line in lines:
                if line.strip():
                    yield bytes(line)
            if len(waiting) > MOST_BYTES:
                raise KubernetesUnreachable(
                    f"{self._call} at {self._address} sent a line of more than {MOST_BYTES >> 20} MiB"
                )

    def cancel(self) -> None:
        """Ends the iteration, in whatever thread that waits; may be called at any time, from any thread."""
        self._cancelled = True
        with suppress(OSError, ValueError, RuntimeError):  # it has ended already
            self._response.shutdown()

    def close(self) -> None:
        """Gives the connection up."""
        self._response.close()

    def _chunks(self) -> Iterator[bytes]:
        """As they come: the API server sends a chunk for each line."""
        try:
            with _unreachable(self._address, self._call):
                yield from self._response.stream(None, decode_content=True)
        except KubernetesUnreachable:
            if not self._cancelled:
                raise


@dataclass(frozen=True, slots=True)
class _Call:
    """What is asked, in RBAC's words."""

    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def path(self) -> str:
        return self.resource.path(namespace=self.namespace, name=self.name, subresource=self.subresource)

    @property
    def allowed(self) -> str:
        """What RBAC calls it."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural

    @property
    def where(self) -> str:
        if not self.resource.namespaced:
            return "of the cluster"
        return f"in namespace {self.namespace}" if self.namespace else "in all namespaces"

    def __str__(self) -> str:
        return f"{self.verb} {self.allowed} {self.name + ' ' if self.name else ''}{self.where}"


def refusal(
    address: str, call: _Call, status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> KubernetesRefused:
    """The error of an answer, in words that tell the mend."""
    said = _status(body)
    message = str(said.get("message") or body[:_TOLD].decode("utf-8", "replace"))[:_TOLD].strip()
    reason = str(said.get("reason") or "")
    match status:
        case 401 | 403 if status == 401 or _ANONYMOUS in message:
            return KubernetesDenied(
                f"the cluster {address} does not know who asks to {call} ({status}): the token or certificate has expired, is another "
                "cluster's, or is none; of an exec plugin, run the command that the kubeconfig names",
                status=status,
                reason=reason,
            )
        case 403:
            role = "ClusterRole" if not (call.namespace and call.resource.namespaced) else "Role"
            return KubernetesDenied(
                f"RBAC does not allow to {call} (403): a {role} bound to this account must allow the verb {call.verb!r} on "
                f"{call.allowed!r} in apiGroups [{call.resource.group!r}]: {message}",
                status=status,
                reason=reason,
            )
        case 404:
            return KubernetesNotFound(
                f"the cluster {address} has nothing to {call} (404): {message}", status=status, reason=reason
            )
        case 410:
            return KubernetesGone(
                f"the cluster {address} no longer knows what to {call} from (410): {message}",
                status=status,
                reason=reason,
            )
        case _:
            after = (headers or {}).get("Retry-After", "")
            return KubernetesRefused(
                f"the cluster {address} refused to {call} ({status}): {message or 'without a word'}",
                status=status,
                reason=reason,
                retry_after=float(after) if after.isdecimal() else None,
            )


def _status(body: bytes) -> Json:
    """A ``metav1.Status``, if it is one."""
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _read(response: HTTPResponse, address: str, call: _Call) -> bytes:
    with _unreachable(address, call):
        body: bytes = response.read(MOST_BYTES + 1, decode_content=True)
        if len(body) > MOST_BYTES:
            response.close()
            raise KubernetesUnreachable(
                f"{address} answered to {call} with more than {MOST_BYTES >> 20} MiB; that is no page"
            )
        response.release_conn()
        return body


@contextmanager
def _unreachable(address: str, call: _Call) -> Iterator[None]:
    from kubernetes.client.exceptions import OpenApiException
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (HTTPError, OSError, OpenApiException, ConfigException) as error:
        raise KubernetesUnreachable(
            f"the cluster {address} cannot be reached to {call}: {_first_line(error)}; is the address right, and does a network "
            "policy, proxy or certificate stand between?"
        ) from error


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_TOLD]


def _client(config: str, context: str) -> ApiClient:
    """KubernetesSettingsError."""
    try:
        from kubernetes.client import ApiClient, Configuration
        from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
    except ImportError as error:
        raise KubernetesSettingsError(
            f"the Kubernetes client is not installed ({error}): pip install 'maibo-slo[kubernetes]'"
        ) from error
    from yaml import YAMLError

    path = _path(config)
    configuration = Configuration()
    try:
        if path is None:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # this part has no types
        else:
            load_kube_config(  # type: ignore[no-untyped-call]  # neither has this
                config_file=path,
                context=context or None,
                client_configuration=configuration,
                persist_config=False,  # a kubeconfig is its owner's: nothing is written into it
            )
    except (ConfigException, YAMLError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        where = "the pod's service account" if path is None else f"the kubeconfig {path}"
        raise KubernetesSettingsError(
            f"{where} cannot be used{f' with the context {context!r}' if context else ''}: {_first_line(error)}; "
            "`kubectl version` with the same one tells whether it works at all"
        ) from error
    configuration.retries = False  # whoever asks knows better when to ask again
    configuration.keep_alive = True
    configuration.connection_pool_maxsize = 32
    return ApiClient(configuration)


def _path(config: str) -> str | None:
    """Of the kubeconfig; None: the pod's own account."""
    if config != AUTO:
        missing = [each for each in config.split(os.pathsep) if each and not Path(each).expanduser().is_file()]
        if missing:
            raise KubernetesSettingsError(
                f"there is no kubeconfig {missing[0]}: give --kubernetes the path of one, or 'auto'"
            )
        return config
    told = os.environ.get("KUBECONFIG", "")
    if told:
        return _path(told)
    if os.environ.get(_SERVICE_HOST):
        return None
    own = Path("~/.kube/config").expanduser()
    if own.is_file():
        return str(own)
    raise KubernetesSettingsError(
        f"no cluster was found: KUBECONFIG is not set, this is no pod ({_SERVICE_HOST} is not set), and there is no {own}; "
        "--kubernetes says which cluster: give it the path of a kubeconfig"
    )
