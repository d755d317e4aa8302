"""Kinds of objects, as the API's paths and RBAC name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]
"""An object as the API has it."""


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
