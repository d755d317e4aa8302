"""One question to the API: what RBAC calls it, its answer's body, and the error of an answer that is none."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.kubernetes.errors import (
    KubernetesDenied,
    KubernetesGone,
    KubernetesNotFound,
    KubernetesRefused,
    KubernetesUnreachable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from urllib3 import HTTPResponse

    from maibo_slo.kubernetes.resources import Json, Resource

MOST_BYTES: Final = 64 * 2**20
"""Of one answer, or of one line of a watch: more than any object or page has."""
TOLD: Final = 300
_ANONYMOUS: Final = "system:anonymous"
"""Who showed nothing: an exec plugin failed, say, of which the client only writes to the log."""


@dataclass(frozen=True, slots=True)
class Call:
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
    address: str, call: Call, status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> KubernetesRefused:
    """The error of an answer, in words that tell the mend."""
    said = _status(body)
    message = str(said.get("message") or body[:TOLD].decode("utf-8", "replace"))[:TOLD].strip()
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


def read(response: HTTPResponse, address: str, call: Call) -> bytes:
    with unreachable(address, call):
        body: bytes = response.read(MOST_BYTES + 1, decode_content=True)
        if len(body) > MOST_BYTES:
            response.close()
            raise KubernetesUnreachable(
                f"{address} answered to {call} with more than {MOST_BYTES >> 20} MiB; that is no page"
            )
        response.release_conn()
        return body


@contextmanager
def unreachable(address: str, call: Call) -> Iterator[None]:
    from kubernetes.client.exceptions import OpenApiException
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (HTTPError, OSError, OpenApiException, ConfigException) as error:
        raise KubernetesUnreachable(
            f"the cluster {address} cannot be reached to {call}: {first_line(error)}; is the address right, and does a network "
            "policy, proxy or certificate stand between?"
        ) from error


def first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:TOLD]
