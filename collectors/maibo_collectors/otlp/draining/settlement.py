"""Points of a batch, settled against the states of their streams, so that a replay of the batch makes the same counts.

The new states are saved *before* the counts go in, and each with what it was before this batch. A batch that was begun, and comes again,
starts from there, even if others have gone on from where it left meanwhile; and others never start from where it began, which would
count twice what it counts. What was before is forgotten by the first save after the batch was recorded.

Two collectors that share a store, and get the points of one stream at the same time, may still count some of them twice or not at all:
a stream belongs to one collector at a time.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from maibo_collectors.otlp.draining.streams import settle
from maibo_slo.store import streams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from maibo_collectors.otlp.decoding.points import Points
    from maibo_collectors.otlp.decoding.tally import Tally
    from maibo_slo.store import Store

_AT_ONCE: Final = 2_000
"""States asked for with one query: a server takes no parameter of more than 128 KiB."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A stream's state as the store has it; b"" is none."""

    state: bytes = b""
    before: tuple[tuple[str, bytes], ...] = ()
    """What batches found that may come again."""

    def found_by(self, batch: str) -> bytes | None:
        """None: it has not been here."""
        return next((state for each, state in self.before if each == batch), None)


_encoder = msgspec.msgpack.Encoder()
_kept = msgspec.msgpack.Decoder(_Kept)


def settled(
    store: Store, bodies: Sequence[Points], *, batch: str, begun: AbstractSet[str]
) -> tuple[list[Tally], Counter[str]]:
    """What each of these bodies comes to, in this order, and what happened to points that did not simply count.

    `begun` are the batches that may still come again. StoreError when the states cannot be had or saved.
    """
    names = list(dict.fromkeys(name for points in bodies for name in points.stream_ids()))
    kept = _load(store, names)
    states: dict[bytes, bytes] = {}
    for name, each in kept.items():
        found = each.found_by(batch)
        state = each.state if found is None else found
        if state:
            states[name] = state
    before = dict(states)
    of_batch = sum(len(points.points) for points in bodies)
    tallies: list[Tally] = []
    notes: Counter[str] = Counter()
    for points in bodies:
        result = settle(states, points, of_batch=of_batch)
        states |= result.states
        tallies.append(result.tally)
        notes.update(result.notes)
    changed = {
        name: _Kept(
            states.get(name, b""),
            (*((b, s) for b, s in each.before if b in begun and b != batch), (batch, before.get(name, b""))),
        )
        for name, each in kept.items()
        if each.found_by(batch) is None
    }
    encoded = {name: _encoder.encode(each) for name, each in changed.items()}
    streams.save(store, encoded)
    return tallies, notes


def _load(store: Store, names: Sequence[bytes]) -> dict[bytes, _Kept]:
    """Of each of these streams; one that is not known, or cannot be read, has no state."""
    raw: dict[bytes, bytes] = {}
    for begin in range(0, len(names), _AT_ONCE):
        raw |= streams.load(store, names[begin : begin + _AT_ONCE])
    kept: dict[bytes, _Kept] = {}
    for name in names:
        try:
            kept[name] = _kept.decode(raw[name]) if name in raw else _Kept()
        except ValueError:
            kept[name] = _Kept()
    return kept
