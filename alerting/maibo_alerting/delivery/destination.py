"""What a destination is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maibo_alerting.alerts import Alert


class DeliveryError(MaiboError):
    """A destination did not take an alert. The text never holds a secret, nor an address that holds one."""

    def __init__(self, reason: str, *, retry: bool, retry_after_seconds: float | None = None) -> None:
        """`retry`: the same may be taken later. `retry_after_seconds`: not before, as the destination said."""
        super().__init__(reason)
        self.retry = retry
        self.retry_after_seconds = retry_after_seconds


class Destination(Protocol):
    """Where alerts go. Used by one thread at a time."""

    @property
    def name(self) -> str:
        """As the configuration calls it."""
        raise NotImplementedError

    def send(self, alerts: Sequence[Alert], *, now: float) -> None:
        """Have these alerts taken, each firing or resolved as it is; a repetition under the same key does not page again.

        Blocks, 10 s at most for each request. DeliveryError when they were not taken; then none of them counts as taken.
        """


@dataclass(frozen=True, slots=True)
class Secrets:
    """Reads what must not stand in a configuration: ``{secret_file: PATH}`` or ``{secret_env: NAME}``."""

    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def of_process(cls) -> Secrets:
        return cls(os.environ)

    def read(self, settings: Mapping[str, object], name: str = "secret") -> str:
        """The secret that `settings` point to, '' where they point to none. DeliveryError when it cannot be read or is empty."""
        file, variable = settings.get(f"{name}_file"), settings.get(f"{name}_env")
        if file and variable:
            raise DeliveryError(f"give one of {name}_file and {name}_env", retry=False)
        if file:
            try:
                secret = Path(str(file)).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                raise DeliveryError(f"{name}_file {file} cannot be read: {reason}", retry=False) from None
        elif variable:
            secret = self.environment.get(str(variable), "").strip()
        else:
            return ""
        if not secret:
            raise DeliveryError(
                f"{name}_{'file' if file else 'env'} {file or variable} is empty or not set", retry=False
            )
        return secret
