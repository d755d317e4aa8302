"""Signals on their way to the process that answers KEDA: what it needs of them, as JSON, each message behind its length.

It stays a `Signals` there: when one is stale, every face says so by the same rule.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from maibo_slo.engine.scaling.inputs import Decision, Inputs
from maibo_slo.engine.scaling.signal import Refusal, ScalingSignal, Signals
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    import asyncio

LENGTH_BYTES: Final = 4
_NOTHING: Final = Inputs(now=0.0)


def framed(message: dict[str, Any] | None) -> bytes:
    """One message, to be sent."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


async def read(reader: asyncio.StreamReader) -> Any:
    """The next message. Raises asyncio.IncompleteReadError at the end."""
    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
    return json.loads(await reader.readexactly(length))


def packed(signals: Signals | None) -> dict[str, Any] | None:
    """As a message."""
    if signals is None:
        return None
    return {
        "decided_at": signals.decided_at,
        "targets": [
            [namespace, target, one.why]
            if isinstance(one, Refusal)
            else [namespace, target, one.desired_replicas, one.observed_at, one.decided_at, one.max_age_seconds]
            for (namespace, target), one in signals.by_target.items()
        ],
    }


def unpacked(message: dict[str, Any] | None) -> Signals | None:
    """The inverse, but for what is not sent: a signal's explanation."""
    if message is None:
        return None
    by_target: dict[tuple[str, str], ScalingSignal | Refusal] = {}
    for namespace, target, *rest in message["targets"]:
        workload = Workload(namespace, "", "")
        if len(rest) == 1:
            by_target[namespace, target] = Refusal(target, workload, rest[0])
            continue
        desired, observed_at, decided_at, max_age_seconds = rest
        by_target[namespace, target] = ScalingSignal(
            target=target,
            workload=workload,
            desired_replicas=desired,
            lower=desired,
            upper=desired,
            least=0,
            most=desired,
            reason="",
            observed_at=observed_at,
            decided_at=decided_at,
            max_age_seconds=max_age_seconds,
            decision=Decision(desired, desired, desired, (), "", ""),
            inputs=_NOTHING,
        )
    return Signals(message["decided_at"], by_target)
