"""Who asks: the identity that the cluster's aggregator vouches for, and whether it may read metrics.

An API server that aggregates us tells the user in headers. They count on connections alone whose client certificate chains to the cluster's
requestheader CA and has an allowed common name; from anybody else they are lies. The CA, the names and the headers are in the ConfigMap
``kube-system/extension-apiserver-authentication``, which is read again each minute: certificates rotate.

Whoever is not the HPA's account or an administrator is asked about: SubjectAccessReview, whose answers are kept for 10 s.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from maibo_slo.kubernetes import Cluster, KubernetesError, Resource
from maibo_slo.signals.external_metrics.answers import GROUP, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from maibo_slo.signals.https import Peer

NAMESPACE: Final = "kube-system"
CONFIGMAP: Final = "extension-apiserver-authentication"
READ_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 5.0
REVIEW_SECONDS: Final = 10.0
MOST_REVIEWS: Final = 1000
ASK_SECONDS: Final = 3.0
"""For an answer of the API server: whoever waits is an HPA's sync."""
HPA: Final = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
MASTERS: Final = "system:masters"
_CONFIGMAPS: Final = Resource("", "v1", "configmaps")
_REVIEWS: Final = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the aggregator vouches for."""

    user: str
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """What the ConfigMap says."""

    ca_pem: str
    allowed_names: tuple[str, ...]
    """() any."""
    username_headers: tuple[str, ...]
    group_headers: tuple[str, ...]
    extra_prefixes: tuple[str, ...]

    @classmethod
    def of(cls, configmap: Mapping[str, Any]) -> RequestHeader:
        """ValueError, with the mend, when it is not as a cluster with aggregation has it."""
        told = configmap.get("data") or {}
        pem = str(told.get("requestheader-client-ca-file") or "")
        if "BEGIN CERTIFICATE" not in pem:
            raise ValueError(
                f"ConfigMap {NAMESPACE}/{CONFIGMAP} has no requestheader-client-ca-file: this cluster's API server does not aggregate "
                "(see --requestheader-client-ca-file of kube-apiserver)"
            )
        return cls(
            pem,
            _names(told, "requestheader-allowed-names"),
            _names(told, "requestheader-username-headers") or ("X-Remote-User",),
            _names(told, "requestheader-group-headers") or ("X-Remote-Group",),
            _names(told, "requestheader-extra-headers-prefix") or ("X-Remote-Extra-",),
        )

    def identity(self, peer: Peer | None, headers: Sequence[tuple[str, str]]) -> Identity | None:
        """None: nobody vouches for who asks."""
        if peer is None or (self.allowed_names and peer.common_name not in self.allowed_names):
            return None
        users = next((there for name in self.username_headers if (there := _all(headers, name))), [])
        if len(users) != 1 or not users[0]:  # an aggregator says one: a second is somebody else's
            return None
        user = users[0]
        groups = tuple(value for name in self.group_headers for value in _all(headers, name))
        extra: dict[str, list[str]] = {}
        for name, value in headers:
            for prefix in self.extra_prefixes:
                if name.lower().startswith(prefix.lower()):
                    extra.setdefault(unquote(name[len(prefix) :].lower()), []).append(value)
        return Identity(user, groups, tuple((key, tuple(each)) for key, each in sorted(extra.items())))


class Gatekeeper:
    """The ConfigMap as it was read last, and the reviews. `look` and `may` ask the cluster: they block, so call them in a thread."""

    def __init__(
        self, cluster: Cluster, *, report: Callable[[str | None], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._report = report
        self._now = now
        self._lock = threading.Lock()
        self._reviews: dict[tuple[Identity, str, str], tuple[float, bool]] = {}
        self.header: RequestHeader | None = None
        """None until it could be read."""

    def look(self) -> float:
        """Read the ConfigMap; returns when to do it again, s from now. What was read stays when it cannot be."""
        try:
            told = self._cluster.get(_CONFIGMAPS, CONFIGMAP, namespace=NAMESPACE, timeout_seconds=ASK_SECONDS)
            self.header = RequestHeader.of(told)
        except (KubernetesError, ValueError) as error:
            known = "the one read before stays" if self.header else "nobody is let in until it can be"
            log.warning("the cluster's requestheader CA cannot be read, %s: %s", known, error)
            self._report(f"{error}; {known}" if self.header is None else None)
            return RETRY_SECONDS
        self._report(None)
        return READ_SECONDS

    def known(self, identity: Identity, namespace: str, metric: str) -> bool | None:
        """Whether this user may read that metric, where it need not be asked: an HPA waits for nobody's review. None: ask `may`."""
        if identity.user == HPA or MASTERS in identity.groups:
            return True
        with self._lock:
            asked_at, allowed = self._reviews.get((identity, namespace, metric), (float("-inf"), False))
        return allowed if self._now() - asked_at < REVIEW_SECONDS else None

    def may(self, identity: Identity, namespace: str, metric: str) -> bool:
        """Whether this user may read that metric. KubernetesError when nobody can tell."""
        known = self.known(identity, namespace, metric)
        if known is not None:
            return known
        answer = self._cluster.create(_REVIEWS, _review(identity, namespace, metric), timeout_seconds=ASK_SECONDS)
        allowed = (answer.get("status") or {}).get("allowed") is True
        with self._lock:
            if len(self._reviews) >= MOST_REVIEWS:
                self._reviews.clear()
            self._reviews[identity, namespace, metric] = (self._now(), allowed)
        return allowed


def _review(identity: Identity, namespace: str, metric: str) -> dict[str, Any]:
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": identity.user,
            "groups": list(identity.groups),
            "extra": {key: list(values) for key, values in identity.extra},
            "resourceAttributes": {
                "namespace": namespace,
                "verb": "list",  # as an API server calls a GET without an object's name
                "group": GROUP,
                "version": VERSION,
                "resource": metric,
            },
        },
    }


def _names(told: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A JSON list of texts. ValueError for anything else."""
    text = told.get(key) or "[]"
    try:
        names = json.loads(text)
    except (TypeError, ValueError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"ConfigMap {NAMESPACE}/{CONFIGMAP}: {key} is no JSON list of names: {text!r}")
    return tuple(names)


def _all(headers: Sequence[tuple[str, str]], wanted: str) -> list[str]:
    return [value for name, value in headers if name.lower() == wanted.lower()]
