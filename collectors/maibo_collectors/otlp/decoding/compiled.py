"""From an ExportTraceServiceRequest to its `Tally` with the compiled scanner: the same counts as `PythonTraces`, without Python's time.

The scanner (``scan.c`` of maibo-collectors-fast) does all that has to be done for each span. Python is asked about each shape once:
it makes the shape's texts and judges it, with the code that the pure Python decoder has too. Importing this module loads the scanner;
where that cannot be, ImportError tells why.
"""

from __future__ import annotations

import ctypes
import os
import struct
import threading
import weakref
from array import array
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from google.protobuf.message import DecodeError

from maibo import semconv
from maibo_collectors.otlp.body import BodyMalformed, refusal
from maibo_collectors.otlp.decoding.attributes import clean, text_of_bytes
from maibo_collectors.otlp.decoding.builder import AGE_LIMIT_NS, CLOCK_SKEW, SKEW_LIMIT_NS
from maibo_collectors.otlp.decoding.classify import Classifier, Judgement, Shape, unique
from maibo_collectors.otlp.decoding.memo import Memo
from maibo_collectors.otlp.decoding.pods import POD_KEYS, UNKNOWN, Pod, Seen, pod_of, told
from maibo_collectors.otlp.decoding.sampling import ONE
from maibo_collectors.otlp.decoding.tally import PodServed, Reason, Tally

if TYPE_CHECKING:
    from pathlib import Path

_T = TypeVar("_T")

# Names and numbers of scan.c.
_ABI: Final = 4
_DONE, _NEW_SHAPES, _FULL, _MALFORMED = 0, 1, 2, -1
_WHOLE, _MARKER, _STARTED, _FAILED = 1, 2, 4, 8
_NONE: Final = 2**32 - 1
_HEAD: Final = 6
"""Numbers of a shape before those of its values."""

_REASON: Final = struct.Struct("<IIIQ")
_COUNT: Final = struct.Struct("<IQ")
_POD: Final = struct.Struct("=QQIII")
_POD_TIMES: Final = 16
"""Bytes of it, before what says which pod it is."""
_LENGTHS: Final = struct.Struct("=III")
_U64_MAX: Final = 2**64 - 1
_NUMBERS_LIMIT: Final = 50_000
"""Series that are remembered from one body to the next."""


class _Buffer(ctypes.Structure):
    _fields_ = (("at", ctypes.c_void_p), ("used", ctypes.c_size_t), ("room", ctypes.c_size_t))

    def content(self) -> bytes:
        return ctypes.string_at(self.at, self.used) if self.used else b""


class _Results(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint64) for name in ("judged", "shapes", "total", "ignored", "skewed")),
        *((name, _Buffer) for name in ("series", "cells", "flow", "sampled", "skewed_rows")),
        *((name, _Buffer) for name in ("reasons", "exemplars", "rejected", "overflowed", "served")),
    )
    judged: int
    shapes: int
    total: int
    ignored: int
    skewed: int
    series: _Buffer
    cells: _Buffer
    flow: _Buffer
    sampled: _Buffer
    skewed_rows: _Buffer
    reasons: _Buffer
    exemplars: _Buffer
    rejected: _Buffer
    overflowed: _Buffer
    served: _Buffer


def load(path: Path) -> ctypes.CDLL:
    """The scanner's library. Raises ImportError when it is not there, or not this version's."""
    try:
        library = ctypes.CDLL(os.fspath(path))
        abi = library.scan_abi()
    except (OSError, AttributeError) as error:
        raise ImportError(
            f"the compiled scanner cannot be loaded: {error}; install maibo-collectors-fast again"
        ) from error
    if abi != _ABI:
        raise ImportError(
            f"the compiled scanner is of another version ({abi}, not {_ABI}); install maibo-collectors-fast again"
        )
    pointer, size, u64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
    for name, result, arguments in (
        ("scan_new", pointer, (u64, pointer, pointer, size, size, pointer, size, ctypes.c_bool)),
        ("scan_free", None, (pointer,)),
        ("scan_forget", None, (pointer,)),
        ("scan_begin", ctypes.POINTER(_Results), (pointer, ctypes.c_char_p, size, u64, u64, u64)),
        ("scan_step", ctypes.c_int, (pointer,)),
        ("scan_shape", pointer, (pointer, size)),
        ("scan_text", pointer, (pointer, size, ctypes.POINTER(size))),
        ("scan_judge", ctypes.c_int, (pointer, pointer, size, size, size)),
        ("scan_valid", ctypes.c_bool, (ctypes.c_char_p, size)),
        ("scan_bin_of", ctypes.c_uint32, (u64,)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _installed() -> ctypes.CDLL:
    try:
        from maibo_collectors_fast import LIBRARY
    except ImportError as error:
        raise ImportError("maibo-collectors-fast is not installed") from error
    return load(LIBRARY)


SCANNER: Final = _installed()


def is_valid(body: bytes) -> bool:
    """True: it is what `traces.validate` accepts. False: it may be; ask that. In a quarter of its time, and without its memory."""
    valid: bool = SCANNER.scan_valid(body, len(body))
    return valid


class CompiledTraces:
    """Decodes bodies and remembers what repeats; one a thread."""

    def __init__(self, classifier: Classifier, *, scanner: ctypes.CDLL = SCANNER) -> None:
        self._classifier = classifier
        self._generation = 0
        self._c = scanner
        self._shapes = _Shapes(classifier, scanner)
        self._handle = self._shapes.handle
        self._series, self._reasons, self._journeys = _Numbers[bytes](), _Numbers[str](), _Numbers[str]()
        self._rejections = _Numbers[str]()
        self._pods = Memo[bytes, Pod]()
        # The scanner lets go of the interpreter's lock while it works: a second thread must wait.
        self._busy = threading.Lock()

    def tally(self, body: bytes, *, received_ns: int) -> Tally:
        """What a body that `validate` accepts comes to; `received_ns` is when it arrived (unix). Raises BodyMalformed."""
        with self._busy:
            self._renew(received_ns)
            results = self._c.scan_begin(
                self._handle,
                body,
                len(body),
                _u64(received_ns - SKEW_LIMIT_NS),
                _u64(received_ns + SKEW_LIMIT_NS),
                _u64(received_ns - AGE_LIMIT_NS),
            ).contents
            while (state := self._c.scan_step(self._handle)) != _DONE:
                if state == _NEW_SHAPES:
                    self._judge(results.judged, results.shapes)
                elif state == _FULL:
                    self._shapes.forget()
                elif state == _MALFORMED:
                    raise BodyMalformed("not an ExportTraceServiceRequest: Error parsing message")
                else:
                    raise MemoryError
            return self._tally(results)

    def _renew(self, received_ns: int) -> None:
        """Forgets what no longer holds, or has become too much."""
        generation = self._classifier.generation(received_ns)
        if generation != self._generation or len(self._series.each) > _NUMBERS_LIMIT:
            self._generation = generation
            self._shapes.forget()
            for numbers in (self._series, self._reasons, self._journeys, self._rejections):
                numbers.clear()
            self._rejections.of(CLOCK_SKEW)  # the first, as the scanner knows it

    def _judge(self, first: int, end: int) -> None:
        """Tells the scanner the judgements of the shapes that it has just met."""
        numbers = array("Q")
        try:
            for shape in range(first, end):
                numbers.extend(self._judgement(self._classifier.classify(self._shapes.shape(shape))))
        except (DecodeError, UnicodeDecodeError) as error:
            self._shapes.forget()
            raise refusal(error, "ExportTraceServiceRequest") from error
        address, count = numbers.buffer_info()
        if self._c.scan_judge(self._handle, address, count, end - first, len(self._series.each)) != _DONE:
            raise MemoryError

    def _judgement(self, judgement: Judgement) -> list[int]:
        """In the order that scan_judge reads."""
        numbers = [
            self._rejections.of(judgement.rejected) if judgement.rejected else _NONE,
            judgement.timed,
            judgement.weight is not ONE,
            judgement.weight.whole,
            judgement.weight.rest,
            len(judgement.fates),
            len(judgement.overflowed),
        ]
        for fate in judgement.fates:
            flags = fate.whole * _WHOLE | fate.marker * _MARKER | fate.started * _STARTED | fate.failed * _FAILED
            reason = self._reasons.of(fate.reason) if fate.reason else _NONE
            numbers += (self._series.of(fate.series), flags, reason, _u64(fate.threshold_ns))
        numbers += map(self._journeys.of, judgement.overflowed)
        return numbers

    def _served(self, raw: bytes) -> list[PodServed]:
        """What the scanner wrote of resources that name a pod."""
        seen, at = [], 0
        while at < len(raw):
            first, last, *sizes = _POD.unpack_from(raw, at)
            end = at + _POD.size + sum(size for size in sizes if size != _NONE)
            if first <= last:
                identity = raw[at + _POD_TIMES : end]
                pod = self._pods.get(identity) or self._pods.remember(identity, _pod(identity), size=len(identity))
                seen.append(Seen(pod, first, last))
            at = end
        return told(seen)

    def _tally(self, results: _Results) -> Tally:
        series, reasons, journeys, rejections = (
            self._series.each,
            self._reasons.each,
            self._journeys.each,
            self._rejections.each,
        )
        rejected = {rejections[reason]: n for reason, n in _COUNT.iter_unpack(results.rejected.content())}
        raw = results.series.content()
        return Tally(
            series=list(map(series.__getitem__, struct.unpack(f"<{len(raw) // 4}I", raw))),
            cells=results.cells.content(),
            flow=results.flow.content(),
            sampled=results.sampled.content(),
            skewed_rows=results.skewed_rows.content(),
            reasons=[
                Reason(t, place, reasons[reason], n)
                for t, place, reason, n in _REASON.iter_unpack(results.reasons.content())
            ],
            exemplars=results.exemplars.content(),
            total=results.total,
            counted=results.total - results.ignored - results.skewed - sum(rejected.values()),
            ignored=results.ignored,
            skewed=results.skewed,
            rejected=rejected,
            overflowed={journeys[journey]: n for journey, n in _COUNT.iter_unpack(results.overflowed.content())},
            served=self._served(results.served.content()) if results.served.used else [],
        )


def _pod(identity: bytes) -> Pod:
    """Of lengths and values as the scanner wrote them."""
    at, texts = _LENGTHS.size, []
    try:
        for size in _LENGTHS.unpack_from(identity):
            texts.append(None if size == _NONE else text_of_bytes(identity[at : at + size]))
            at += 0 if size == _NONE else size
    except (DecodeError, UnicodeDecodeError) as error:
        raise refusal(error, "ExportTraceServiceRequest") from error
    return pod_of(*texts) or UNKNOWN


class _Numbers(Generic[_T]):
    """Small numbers for values; the scanner knows the numbers only."""

    def __init__(self) -> None:
        self.each: list[_T] = []
        self._known: dict[_T, int] = {}

    def of(self, value: _T) -> int:
        known = self._known.setdefault(value, len(self.each))
        if known == len(self.each):
            self.each.append(value)
        return known

    def clear(self) -> None:
        self.each.clear()
        self._known.clear()


class _Shapes:
    """A scanner, and what its shapes and texts are in Python's words."""

    def __init__(self, classifier: Classifier, scanner: ctypes.CDLL) -> None:
        self._c = scanner
        self._resource_keys = len(classifier.resource_keys)
        self._numbers = struct.Struct(f"={_HEAD + len(classifier.span_keys)}I")
        self._resource_numbers = struct.Struct(f"={self._resource_keys}I")
        self._with_name = classifier.with_name
        self._texts: dict[int, str] = {}
        self._resources: dict[int, tuple[str | None, ...]] = {}
        self.handle: Final = self._new(classifier)
        weakref.finalize(self, scanner.scan_free, self.handle)

    def _new(self, classifier: Classifier) -> int:
        resource_keys = unique(classifier.resource_keys, POD_KEYS)
        keys = [*resource_keys, *classifier.span_keys, semconv.JOURNEY_START_TIME]
        raw = [key.encode() for key in keys]
        handle: int | None = self._c.scan_new(
            int.from_bytes(os.urandom(8)),
            (ctypes.c_char_p * len(raw))(*raw),
            (ctypes.c_size_t * len(raw))(*map(len, raw)),
            len(resource_keys),
            len(classifier.resource_keys),
            (ctypes.c_uint32 * len(POD_KEYS))(*map(resource_keys.index, POD_KEYS)),
            len(classifier.span_keys) + 1,
            classifier.with_name,
        )
        if handle is None:
            raise MemoryError
        return handle

    def forget(self) -> None:
        self._c.scan_forget(self.handle)
        self._texts.clear()
        self._resources.clear()

    def shape(self, number: int) -> Shape:
        at = self._c.scan_shape(self.handle, number)
        resource, kind, error, name, low, high, *values = self._numbers.unpack(ctypes.string_at(at, self._numbers.size))
        digits = high >> 24
        return Shape(
            resource=self._resource(resource),
            attributes=tuple(map(self._text, values)),
            error=bool(error),
            kind=kind - 2**32 if kind >= 2**31 else kind,
            name=clean(self._raw(name).decode()) if self._with_name else "",
            threshold=f"{(high & 0xFFFFFF) << 32 | low:0{digits}x}" if digits else "",
        )

    def _resource(self, number: int) -> tuple[str | None, ...]:
        known = self._resources.get(number)
        if known is None:
            known = tuple(map(self._text, self._resource_numbers.unpack(self._raw(number))))
            self._resources[number] = known
        return known

    def _text(self, number: int) -> str | None:
        if number == _NONE:
            return None
        known = self._texts.get(number)
        if known is None:
            known = self._texts[number] = text_of_bytes(self._raw(number))
        return known

    def _raw(self, number: int) -> bytes:
        length = ctypes.c_size_t()
        at = self._c.scan_text(self.handle, number, ctypes.byref(length))
        return ctypes.string_at(at, length.value)


def _u64(number: int) -> int:
    return min(max(number, 0), _U64_MAX)
