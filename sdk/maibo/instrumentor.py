"""`MaiboInstrumentor`: switch maibo on from code, beside other instrumentors (needs ``maibo[instrumentation]``)::

MaiboInstrumentor().instrument(service="storefront")
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # it publishes no types
    BaseInstrumentor,
)

from maibo import configuration

if TYPE_CHECKING:
    from collections.abc import Collection


class MaiboInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Takes what `maibo.configure` takes, and ignores what other instrumentors take."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: it patches no library."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        known = inspect.signature(configuration.configure).parameters
        configuration.configure(**{name: value for name, value in kwargs.items() if name in known})

    def _uninstrument(self, **_: Any) -> None:
        configuration.shutdown()
