"""Columns of an insert, as arrow arrays.

Made from buffers and not by ``pa.array``, which imports pandas when it is first called: 60 MB of memory and half a second for nothing, in
a service that shall be small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def column(values: pa.Array | NDArray[np.integer[Any]] | Sequence[int] | Sequence[str]) -> pa.Array:
    """What `Store.insert` is given, as it is sent: whole numbers that are not an array yet are Int64."""
    if isinstance(values, pa.Array):
        return values
    if isinstance(values, np.ndarray):
        return numbers(values)
    texts_ = [each for each in values if isinstance(each, str)]
    return texts(texts_) if texts_ else numbers(np.array(values, dtype=np.int64))


def numbers(values: NDArray[np.integer[Any]]) -> pa.Array:
    """Of the array's own type; it must not be changed any more."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def texts(values: Sequence[str]) -> pa.Array:
    """String. UnicodeEncodeError for half of a surrogate pair."""
    return _variable(pa.string(), [each.encode() for each in values])


def blobs(values: Sequence[bytes]) -> pa.Array:
    """String, of any bytes."""
    return _variable(pa.binary(), values)


def fixed(values: Sequence[bytes], width: int) -> pa.Array:
    """FixedString: each value has that many bytes. ValueError when they do not add up."""
    joined = b"".join(values)
    if len(joined) != width * len(values):
        raise ValueError(f"{len(values)} values of {width} bytes each are not {len(joined)} bytes")
    return pa.Array.from_buffers(pa.binary(width), len(values), [None, pa.py_buffer(joined)])


def fixed_array(values: NDArray[np.void]) -> pa.Array:
    """FixedString, of as many bytes as the array's items have."""
    joined = np.ascontiguousarray(values).tobytes()
    return pa.Array.from_buffers(pa.binary(values.dtype.itemsize), len(values), [None, pa.py_buffer(joined)])


def coded(codes: NDArray[np.int32], values: pa.Array) -> pa.Array:
    """Few distinct values, by their places: as LowCardinality takes them fastest."""
    return pa.DictionaryArray.from_arrays(numbers(codes), values)


def moments(values: Sequence[float | None]) -> pa.Array:
    """DateTime64(3) of unix seconds; None where it is Nullable."""
    milliseconds = np.array([round(1000 * (each or 0)) for each in values], dtype=np.int64)
    known = np.packbits([each is not None for each in values], bitorder="little")
    return pa.Array.from_buffers(
        pa.timestamp("ms", tz="UTC"), len(values), [pa.py_buffer(known.tobytes()), pa.py_buffer(milliseconds)]
    )


def lists(values: Sequence[Sequence[int]]) -> pa.Array:
    """Array(UInt32)."""
    items = np.fromiter((item for each in values for item in each), np.uint32)
    offsets = pa.py_buffer(_offsets(values))
    return pa.Array.from_buffers(pa.list_(pa.uint32()), len(values), [None, offsets], children=[numbers(items)])


def _variable(kind: pa.DataType, values: Sequence[bytes]) -> pa.Array:
    return pa.Array.from_buffers(
        kind, len(values), [None, pa.py_buffer(_offsets(values)), pa.py_buffer(b"".join(values))]
    )


def _offsets(values: Sequence[Sequence[int]]) -> NDArray[np.int32]:
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, values), np.int32, len(values)), out=offsets[1:])
    return offsets
