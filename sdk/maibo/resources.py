"""Who this process is, as span resource attributes."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource

from maibo import semconv
from maibo.kubernetes import KubernetesResourceDetector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.util.types import AnyValue

try:
    VERSION: Final = version("maibo")
except PackageNotFoundError:  # pragma: no cover -- run from a source tree that nobody installed
    VERSION = "0"  # type: ignore[misc]


def resource(
    *,
    service: str | None,
    version: str | None,
    environment: str | None,
    region: str | None,
    more: Mapping[str, str],
) -> Resource:
    """OpenTelemetry's own, then Kubernetes, the host's tracer provider, the environment, the arguments: the later wins."""
    attributes: dict[str, AnyValue] = dict(Resource.create().attributes)
    unknown = attributes.pop(SERVICE_NAME)
    host = getattr(trace.get_tracer_provider(), "resource", None)
    for layer in (
        KubernetesResourceDetector().detect(),
        host if isinstance(host, Resource) else Resource.get_empty(),
        OTELResourceDetector().detect(),
    ):
        attributes |= {key: value for key, value in layer.attributes.items() if not _unknown(key, value)}
    attributes |= more
    given = {
        semconv.SERVICE_NAME: service,
        semconv.SERVICE_VERSION: version,
        semconv.ENVIRONMENT: environment,
        semconv.REGION: region,
    }
    attributes |= {key: value for key, value in given.items() if value}
    attributes.setdefault(SERVICE_NAME, unknown)
    attributes["telemetry.distro.name"] = "maibo"
    attributes["telemetry.distro.version"] = VERSION
    return _Hashed(attributes)


def _unknown(key: str, value: AnyValue) -> bool:
    return key == SERVICE_NAME and str(value).startswith("unknown_service")


class _Hashed(Resource):
    """A resource that is hashed once: the exporter groups spans by it, and the stock hash is a JSON dump for each span."""

    _hash: int | None = None

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = super().__hash__()
        return self._hash

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other)

    def merge(self, other: Resource) -> Resource:
        return _Hashed({**self.attributes, **other.attributes}, self.schema_url)
