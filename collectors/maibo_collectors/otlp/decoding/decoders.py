"""The one door to decoding: from a body of traces or logs to its `Tally`, with whatever decoder this machine has.

Traces in protobuf are decoded by the compiled scanner when it is installed (``maibo-collectors[fast]``), else in Python: the same
counts, some 8 times the CPU. ``MAIBO_OTLP_DECODER=python`` keeps to Python.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Protocol

from maibo_collectors.otlp.decoding.classify import Classifier
from maibo_collectors.otlp.decoding.traces import PythonTraces, validate
from maibo_collectors.otlp.decoding.traces_json import JsonTraces
from maibo_collectors.otlp.segment import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_collectors.otlp.decoding.logs import Logs
    from maibo_collectors.otlp.decoding.rules import Rules
    from maibo_collectors.otlp.decoding.tally import Tally

COMPILED: Final = "compiled"
_ENVIRONMENT: Final = "MAIBO_OTLP_DECODER"


class _Traces(Protocol):
    def tally(self, body: bytes, *, received_ns: int) -> Tally: ...


class Decoders:
    """Decodes and remembers what repeats; one a thread."""

    def __init__(self, rules: Rules) -> None:
        self._use(Classifier(rules))

    def replace_rules(self, rules: Rules) -> None:
        """From now on; what was admitted today stays admitted."""
        self._use(self.classifier.replace_rules(rules))

    def _use(self, classifier: Classifier) -> None:
        self.classifier = classifier
        """Shared with whoever decodes metrics in this thread, so that there is one cap."""
        self._traces, self._validate = _traces(classifier)
        self._json = JsonTraces(classifier)
        self._logs: Logs | None = None

    def tally(self, kind: Kind, body: bytes, *, received_ns: int) -> Tally:
        """What a body (unpacked) that arrived at `received_ns` (unix) comes to. Raises BodyMalformed, BodyTooLarge; ValueError for kinds
        that are no traces or logs.
        """
        if kind == Kind.TRACES_PROTOBUF:
            self._validate(body)
            return self._traces.tally(body, received_ns=received_ns)
        if kind == Kind.TRACES_JSON:
            return self._json.tally(body, received_ns=received_ns)
        if kind in {Kind.LOGS_PROTOBUF, Kind.LOGS_JSON}:
            return self._log_decoder().tally(kind, body, received_ns=received_ns)
        raise ValueError(f"{kind!r} is not decoded into a tally")

    def _log_decoder(self) -> Logs:
        """Most acceptors never see a log record."""
        if self._logs is None:
            from maibo_collectors.otlp.decoding.logs import Logs

            self._logs = Logs(self.classifier)
        return self._logs


def decoder_in_use() -> str:
    """``compiled``, or ``python: `` and why it is not."""
    why = _why_not_compiled()
    return f"python: {why}" if why else COMPILED


def _traces(classifier: Classifier) -> tuple[_Traces, Callable[[bytes], None]]:
    """The decoder, and what sees first that a body is sound."""
    if _why_not_compiled():
        return PythonTraces(classifier), validate
    from maibo_collectors.otlp.decoding.compiled import CompiledTraces, is_valid

    def quickly_validate(body: bytes) -> None:
        """A third of the cost for nearly all bodies; what the scanner doubts, OTLP's own parser judges, and explains."""
        if not is_valid(body):
            validate(body)

    return CompiledTraces(classifier), quickly_validate


def _why_not_compiled() -> str:
    if os.environ.get(_ENVIRONMENT) == "python":
        return f"{_ENVIRONMENT}=python"
    try:
        from maibo_collectors.otlp.decoding import compiled  # noqa: F401 -- importing it loads the scanner
    except ImportError as error:
        return str(error)
    return ""
