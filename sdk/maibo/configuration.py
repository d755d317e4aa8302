"""`configure` and its counterparts: from arguments and environment to a running pipeline.

An argument wins over ``MAIBO_*``, which wins over ``OTEL_*``. Whatever goes wrong here leaves maibo off, told once in the log, and
the host running.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from maibo import problems, runtime
from maibo.stats import Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from maibo.pipeline import Pipeline
    from maibo.runtime import FinishedJourney

_DEFAULT_ENDPOINT: Final = "http://localhost:4318"
_PATH: Final = "/v1/traces"

_pipeline: Pipeline | None = None


def configure(
    service: str | None = None,
    *,
    version: str | None = None,
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
    environment: str | None = None,
    region: str | None = None,
    resource_attributes: Mapping[str, str] | None = None,
    catalogue: Iterable[str | Mapping[str, Any]] | None = None,
    enabled: bool | None = None,
    on_journey_end: Callable[[FinishedJourney], object] | None = None,
    user_hash_key: str | None = None,
    queue_size: int | None = None,
) -> None:
    """Switch maibo on; called again, it replaces what was set before.

    service, version, environment, region: ``service.name``, ``service.version``, ``deployment.environment.name``,
        ``cloud.region``; else from ``MAIBO_SERVICE``, ``MAIBO_VERSION``, ``MAIBO_ENVIRONMENT``, ``MAIBO_REGION``, then from
        ``OTEL_SERVICE_NAME``, ``OTEL_RESOURCE_ATTRIBUTES``, the host's own tracer provider, and Kubernetes (see `maibo.kubernetes`).
    endpoint: base URL of an OTLP/HTTP collector; else ``MAIBO_ENDPOINT``, ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``,
        ``OTEL_EXPORTER_OTLP_ENDPOINT``, http://localhost:4318. Headers of ``OTEL_EXPORTER_OTLP_HEADERS`` go along only to an
        endpoint that came from ``OTEL_*`` too.
    headers: sent with every batch; else ``MAIBO_HEADERS`` (``key=value,key=value``).
    catalogue: names of the journeys this service may tag, or their documents as dicts, one or several; others are counted as
        ``_undeclared``.
    enabled: False: do nothing; else off where ``MAIBO_DISABLED`` or ``OTEL_SDK_DISABLED`` is true.
    on_journey_end: called with a `FinishedJourney` for each journey that ends in this process. Its duration is negative where the
        clocks of two hosts disagree by more than the journey took.
    user_hash_key: the secret that pseudonyms of users are made with; else ``MAIBO_USER_HASH_KEY``.
    queue_size: spans kept while the collector is away (32,768); else ``MAIBO_QUEUE_SIZE``.
    """
    try:
        shutdown()
        if not _enabled(enabled):
            return
        _start(
            service=service,
            version=version,
            endpoint=endpoint,
            headers=headers,
            environment=environment,
            region=region,
            resource_attributes=resource_attributes,
            catalogue=catalogue,
            on_journey_end=on_journey_end,
            user_hash_key=user_hash_key,
            queue_size=queue_size,
        )
    except Exception as error:  # noqa: BLE001 -- the host goes on, without maibo
        problems.caught("configure", error)


def configured() -> bool:
    """Whether maibo is on."""
    return _pipeline is not None and runtime.active is not None


def flush(timeout: float = 2.0) -> bool:
    """Send what is finished now; whether nothing is left after at most `timeout` seconds."""
    try:
        return True if _pipeline is None else _pipeline.flush(timeout)
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("flush", error)
        return False


def flush_at_stop() -> bool:
    """Flush because the process is stopping; all such calls together block for 2 s at most."""
    try:
        return True if _pipeline is None else _pipeline.flush_at_stop()
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("flush", error)
        return False


def shutdown(timeout: float = 2.0) -> bool:
    """Flush and switch maibo off; whether everything was delivered. What was not is counted as lost."""
    runtime.activate(None)
    try:
        return True if _pipeline is None else _pipeline.shutdown(timeout)
    except Exception as error:  # noqa: BLE001 -- the host goes on
        problems.caught("shutdown", error)
        return False


def stats() -> Stats:
    """What became of everything so far in this process."""
    return Stats.of_problems() if _pipeline is None else _pipeline.stats()


def _start(
    *,
    service: str | None,
    version: str | None,
    endpoint: str | None,
    headers: Mapping[str, str] | None,
    environment: str | None,
    region: str | None,
    resource_attributes: Mapping[str, str] | None,
    catalogue: Iterable[str | Mapping[str, Any]] | None,
    on_journey_end: Callable[[FinishedJourney], object] | None,
    user_hash_key: str | None,
    queue_size: int | None,
) -> None:
    # Late: these bring requests and protobuf, which a service that never configures need not load.
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.util.re import parse_env_headers

    from maibo import stopping, users
    from maibo.names import Catalogue
    from maibo.otlp import Otlp
    from maibo.pipeline import CAPACITY, Pipeline
    from maibo.resources import VERSION, resource

    global _pipeline  # noqa: PLW0603 -- one process, one pipeline

    own_endpoint = endpoint or os.environ.get("MAIBO_ENDPOINT")
    own_headers = dict(headers or parse_env_headers(os.environ.get("MAIBO_HEADERS", ""), liberal=True))
    url = _with_scheme(_traces_url(own_endpoint))
    if not url:
        return
    secret = user_hash_key or os.environ.get("MAIBO_USER_HASH_KEY")
    pipeline = Pipeline(
        lambda: Otlp(url, own_headers, inherit_headers=own_endpoint is None),
        resource(
            service=service or os.environ.get("MAIBO_SERVICE"),
            version=version or os.environ.get("MAIBO_VERSION"),
            environment=environment or os.environ.get("MAIBO_ENVIRONMENT"),
            region=region or os.environ.get("MAIBO_REGION"),
            more=resource_attributes or {},
        ),
        InstrumentationScope("maibo", VERSION),
        capacity=max(1, queue_size or int(os.environ.get("MAIBO_QUEUE_SIZE") or CAPACITY)),
        on_start=stopping.chain_sigterm,
    )
    _pipeline = pipeline
    stopping.guard(pipeline)
    runtime.activate(
        runtime.Runtime(
            sink=pipeline,
            catalogue=Catalogue(catalogue),
            on_journey_end=on_journey_end,
            user_key=users.key_from(secret),
            user_key_is_random=not secret,
        )
    )


def _traces_url(own_endpoint: str | None) -> str:
    base = own_endpoint
    if base is None:
        if traces := os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
            return traces  # a full URL by OpenTelemetry's rules
        base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or _DEFAULT_ENDPOINT
    base = base.rstrip("/")
    return base if base.endswith(_PATH) else base + _PATH


def _with_scheme(url: str) -> str:
    """``HOST:PORT``, as gRPC exporters take it, is read as http://; '' for what no HTTP can be sent to. Either is told."""
    if "://" not in url:
        problems.tell(
            "maibo: the endpoint %r has no scheme and is read as http://…; write it with http:// or https://", url
        )
        return f"http://{url}"
    if not re.match(r"https?://[^/:]", url, re.IGNORECASE):
        problems.tell(
            "maibo: off, for the endpoint %r is no http:// or https:// address; maibo sends OTLP over HTTP (port 4318)",
            url,
        )
        return ""
    return url


def _enabled(asked: bool | None) -> bool:
    if asked is not None:
        return asked
    return not any(
        os.environ.get(name, "").strip().lower() in {"true", "1", "yes"}
        for name in ("MAIBO_DISABLED", "OTEL_SDK_DISABLED")
    )
