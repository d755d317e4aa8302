"""The store's answers as rows and arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray


def groups(table: pa.Table, by: Sequence[str], *columns: str) -> Iterator[tuple[Any, ...]]:
    """Row by row: the group, and the values of these columns."""
    groups = list(zip(*(table[name].to_pylist() for name in by), strict=True)) if by else [()] * table.num_rows
    return zip(groups, *(table[name].to_pylist() for name in columns), strict=True)


def values(column: pa.ChunkedArray) -> NDArray[Any]:
    """A list column's values, one list after the other."""
    return joined([each.flatten() for each in column.chunks])


def joined(arrays: Sequence[pa.Array]) -> NDArray[Any]:
    """Without arrow's own `to_numpy`, which loads pandas: see `columns`."""
    return np.concatenate([np.from_dlpack(each) for each in arrays]) if arrays else np.empty(0, np.uint64)
