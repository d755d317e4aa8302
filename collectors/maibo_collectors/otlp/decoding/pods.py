"""Which pod sent a resource's spans, and when the first and the last of those ended that were counted.

A request names few pods. One that names very many, or names that Kubernetes would not give, is believed in its spans alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo import semconv
from maibo_collectors.otlp.decoding.attributes import VALUE_LIMIT
from maibo_collectors.otlp.decoding.tally import PodServed

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_PODS: Final = 1000
"""Resources of one request whose pods are remembered; the compiled scanner has the same as PODS_LIMIT."""
POD_KEYS: Final = (semconv.NAMESPACE, semconv.POD_NAME, semconv.SERVICE_NAME)
"""Resource attributes."""
Pod = tuple[str, str, str]
"""Their texts."""
UNKNOWN: Final[Pod] = ("", "", "")
"""A name was given, and is none."""
NEVER: Final = 2**64 - 1
_NAMESPACE: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_POD: Final = re.compile(rf"[a-z0-9](?:[-.a-z0-9]{{0,{VALUE_LIMIT - 2}}}[a-z0-9])?")


@dataclass(slots=True, eq=False)
class Seen:
    """A resource that names a pod."""

    pod: Pod
    first: int = NEVER
    """Unix ns; after `last` as long as nothing was counted."""
    last: int = 0


def pod_of(namespace: str | None, pod: str | None, service: str | None) -> Pod | None:
    """Of a resource's texts (`attributes.text`); None where it names none.

    >>> pod_of("shop", "api-7d9f-x2", "api"), pod_of("shop", "API!", None), pod_of(None, "api-7d9f-x2", "api")
    (('shop', 'api-7d9f-x2', 'api'), ('', '', ''), None)
    """
    if namespace is None or pod is None:
        return None
    return (namespace, pod, service or "") if _NAMESPACE.fullmatch(namespace) and _POD.fullmatch(pod) else UNKNOWN


def told(seen: Iterable[Seen]) -> list[PodServed]:
    """Those that served, each once, in the order of their first resource."""
    found: dict[Pod, Seen] = {}
    for each in seen:
        if each.first > each.last or each.pod is UNKNOWN:
            continue
        before = found.setdefault(each.pod, each)
        before.first, before.last = min(before.first, each.first), max(before.last, each.last)
    return [PodServed(*pod, each.first, each.last) for pod, each in found.items()]
