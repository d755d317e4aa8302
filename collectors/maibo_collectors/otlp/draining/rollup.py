"""What is counted in minutes and hours: kept for each batch, and inserted for several batches at once.

What a batch has of 10 s (cells, starts of journeys) goes into the store with the batch: it is what is looked at, and acted upon, within
seconds. All else that it comes to is of minutes (cells of 1 min and 1 h, flow, reasons, exemplars, samples, skew), or a note that it is done. An insert costs some 20 ms
however little is in it, so that these were four fifths of what a batch cost the store. The drain keeps them here instead, in one
file a batch, and every few seconds the files that are here are added up and inserted under one token.

Each batch counts once here too:

* its file says that what it has of 10 s is in: a batch that comes again after a crash, and has one, is only deleted from the log;
* its file is taken up only when the batch has gone from the log, and so will not come again;
* files that are taken up together are named in a manifest first, as segments of a batch are, and its id is their token. There is one
  such group at a time: one that failed is tried again before anything else is inserted.

Their record in the store comes last. It tells the engine that minutes have changed: their cells of 1 min are in by then.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from maibo_collectors.otlp.body import Encoding
from maibo_collectors.otlp.decoding import tally as tallies
from maibo_collectors.otlp.decoding.tally import PodServed, Reason, Series, Tally, series_bytes
from maibo_collectors.otlp.draining import batch as batches
from maibo_collectors.otlp.draining.merge import MINUTE, Merge, SeriesMemo
from maibo_collectors.otlp.draining.pods import Told
from maibo_collectors.otlp.segment import SEALED, UNNAMED, Kind, Record, fsync_folder, header, records
from maibo_slo.store import counts, segments
from maibo_slo.store.counts import summed
from maibo_slo.store.segments import SegmentRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from maibo_collectors.otlp.draining.batch import Batch
    from maibo_slo.store import Store
    from maibo_slo.store.counts import Counts

_encoder = msgspec.msgpack.Encoder()
_record = msgspec.msgpack.Decoder(SegmentRecord)
_CELLS = 1_000_000
"""Of one record: all that a batch of metrics may come to would be more than a record holds."""
_MOST_KEPT = 1_000
"""Batches: where no group can be inserted, the log is what must fill up, which has a quota."""


@dataclass(slots=True)
class Rollup:
    """The batches in one folder on their way into the coarser tables. `keep` is for the drain's thread, `once` for one thread at a time."""

    store: Store
    folder: Path
    log: Path
    """Of the drain: batches that it has not done with have their manifests there."""
    set_aside: Callable[[str, bytes, str], None]
    """Name, bytes and reason of what cannot be read."""
    _known: SeriesMemo = field(default_factory=SeriesMemo)
    _pods: Told = field(default_factory=Told)

    def has(self, batch: str) -> bool:
        """Whether a batch that is still in the log is kept."""
        return self._path(batch).exists()

    def keep(self, content: Counts, record: SegmentRecord) -> None:
        """Returns when what the batch comes to survives a loss of power. OSError where there is no room for it."""
        path = self._path(record.segment)
        unnamed = path.with_suffix(UNNAMED)
        try:
            with unnamed.open("wb") as file:
                for tally in _tallies(content):
                    _append(file, Kind.TALLY, tallies.encode(tally))
                _append(file, Kind.BATCH, _encoder.encode(record))
                file.flush()
                os.fsync(file.fileno())
            unnamed.rename(path)
            fsync_folder(self.folder)
        except OSError:
            # Nothing may be left: if it goes in with the batch instead, it would be counted from here as well.
            path.unlink(missing_ok=True)
            unnamed.unlink(missing_ok=True)
            raise

    def is_full(self) -> bool:
        """Too much is kept: no batch is to be begun."""
        return sum(path.suffix == SEALED for path in self.folder.iterdir()) > _MOST_KEPT

    def once(self) -> int:
        """Inserts what is kept of batches that are through; returns how many that were. Raises whatever the store or the disk raise."""
        waiting = batches.waiting(self.folder)
        for path in waiting.damaged:
            self.set_aside(path.name, path.read_bytes(), "its names are not those that were written")
            path.unlink()
        for group in waiting.batches:
            if not segments.is_drained(self.store, group.segments):
                self._insert(group)
            batches.remove(self.folder, group)
        done = sum(len(group.segments) for group in waiting.batches)
        through = [batch for batch in waiting.segments if not (self.log / f"{batch}{batches.MANIFEST}").exists()]
        while through:
            group = batches.choose(self.folder, through)
            through = through[len(group.segments) :]
            batches.write(self.folder, group)
            self._insert(group)
            batches.remove(self.folder, group)
            done += len(group.segments)
        return done

    def _insert(self, group: Batch) -> None:
        merge = Merge(self._known)
        done: list[SegmentRecord] = []
        for batch in group.segments:
            for record in records(self._path(batch), self.set_aside):
                try:
                    if record.kind == Kind.BATCH:
                        done.append(_record.decode(record.body))
                    else:
                        merge.add(tallies.decode(record.body))
                except ValueError:
                    self.set_aside(f"{batch}-{record.kind}", record.body, "its format is not understood")
        sums = merge.counts()
        sums = replace(sums, served=self._pods.news(sums.served))
        counts.insert_minutes(self.store, sums, token=group.id)
        self._pods.remember(sums.served)
        if done:
            segments.record_all(self.store, done, token=group.id)

    def _path(self, batch: str) -> Path:
        return self.folder / f"{batch}{SEALED}"


def _append(file: BinaryIO, kind: Kind, body: bytes) -> None:
    file.write(header(Record(bytes(16), time.time_ns(), 0, Encoding.IDENTITY, body, kind)))
    file.write(body)


def _tallies(content: Counts) -> Iterator[Tally]:
    """The batch as one tally, or several where it has very many cells: those of whole minutes."""
    series = [series_bytes(Series(*key)) for key in content.series]
    cells = summed(content.cells, unit=MINUTE)
    yield Tally(
        series=series,
        cells=cells[:_CELLS].tobytes(),
        flow=summed(content.flow, unit=MINUTE).tobytes(),
        sampled=content.sampled.tobytes(),
        skewed_rows=content.skewed.tobytes(),
        reasons=[Reason(each.t, each.series, each.reason, each.n) for each in content.reasons],
        exemplars=content.exemplars.tobytes(),
        served=[PodServed(*each[:3], _ns(each.first), _ns(each.last)) for each in content.served],
    )
    for begin in range(_CELLS, len(cells), _CELLS):
        yield Tally(series=series, cells=cells[begin : begin + _CELLS].tobytes())


def _ns(seconds: float) -> int:
    """Of whole microseconds, which is as exact as `Counts` has them."""
    return round(seconds * 1e6) * 1000
