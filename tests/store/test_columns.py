"""Columns come into the store as they are, and pandas stays out of it."""

import subprocess
import sys

import numpy as np
import pytest

from maibo_slo.store import Store
from maibo_slo.store.columns import blobs, coded, column, fixed, fixed_array, lists, numbers, texts


def test_columns_come_into_the_store_as_they_are(store: Store):
    store.execute(
        "CREATE TABLE everything (place UInt8, low LowCardinality(String), text String, raw String, id FixedString(4), other FixedString(4), "
        "many Array(UInt32), whole UInt64) ENGINE = MergeTree ORDER BY place"
    )
    rows = np.array([(1, b"abcd"), (2, b"\x00\xff\x00\x01")], np.dtype([("n", "<u8"), ("id", "V4")]))
    store.insert(
        "everything",
        {
            "place": [0, 1],
            "low": coded(np.array([1, 0], np.int32), texts(["zwei", "eins"])),
            "text": ["脉搏", ""],
            "raw": blobs([b"\xff\x00", b""]),
            "id": fixed([b"wxyz", b"\x00\x00\x00\x00"], 4),
            "other": fixed_array(rows["id"]),
            "many": lists([(1, 2**32 - 1), ()]),
            "whole": numbers(rows["n"]),
        },
    )
    found = store.rows("SELECT low, text, hex(raw), hex(id), hex(other), many, whole FROM everything ORDER BY place")
    assert [tuple(row) for row in found] == [
        ("eins", "脉搏", "FF00", b"wxyz".hex().upper(), b"abcd".hex().upper(), [1, 2**32 - 1], 1),
        ("zwei", "", "", "00000000", "00FF0001", [], 2),
    ]


def test_values_of_another_width_are_refused():
    with pytest.raises(ValueError, match="2 values of 16 bytes each are not 31 bytes"):
        fixed([bytes(16), bytes(15)], 16)


def test_nothing_is_a_column_too():
    assert len(column([])) == 0
    assert len(lists([])) == 0


def test_opening_a_store_and_writing_to_it_does_not_load_pandas(tmp_path):
    """It would be a tenth of what the service holds."""
    code = (
        "import sys, time\n"
        "from maibo_slo.store import open_store\n"
        "from maibo_slo.store.cells import CellKey, insert_cells\n"
        f"with open_store('chdb://{tmp_path}') as store:\n"
        "    store.warm_up()\n"
        "    insert_cells(store, {CellKey(int(time.time()), *['a'] * 10, 7): 2}, token='a')\n"
        "    assert store.arrow('SELECT sum(n) AS n FROM cells_1h')['n'].to_pylist() == [2]\n"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
