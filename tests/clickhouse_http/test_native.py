"""Blocks of revision 0 with a newer revision's fields put in: at the right places, whatever the types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maibo_slo.clickhouse_http.native import with_revision
from maibo_slo.clickhouse_http.refusal import Refusal

if TYPE_CHECKING:
    from maibo_slo.store import Store

INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"

COLUMNS = (
    "number",
    "toString(number * 1234567)",
    "repeat('x', number * 50)",
    "toLowCardinality(toString(number % 3))",
    "toLowCardinality(toNullable(toString(number)))",
    "if(number % 2 = 0, NULL, number)",
    "if(number % 2 = 0, NULL, toString(number))",
    "range(number)",
    "arrayMap(x -> toString(x), range(number % 4))",
    "arrayMap(x -> range(x), range(number % 5))",
    "arrayMap(x -> toLowCardinality(toString(x)), range(number % 3))",
    "[toNullable(toLowCardinality('a'))]",
    "CAST([], 'Array(LowCardinality(String))')",
    "map('k', number, 'l', 2)",
    "map(toLowCardinality('k'), [number])",
    "(number, 'a', [1])",
    "CAST((number, 'a'), 'Tuple(first UInt64, `sec ond(` String)')",
    "toDateTime(number, 'UTC')",
    "toDateTime64(number, 3, 'UTC')",
    "toDate(number)",
    "toDate32(number)",
    "toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')",
    "toIPv4('1.2.3.4')",
    "toIPv6('::1')",
    "toFixedString('abc', 5)",
    "toDecimal32(number, 2)",
    "toDecimal64(number, 2)",
    "toDecimal128(number, 2)",
    "toDecimal256(number, 2)",
    "toInt256(number)",
    "toFloat32(number)",
    "true",
    "CAST('a', 'Enum8(\\'a\\' = 1, \\'b, (\\' = 2)')",
    "CAST('b', 'Enum16(\\'b\\' = 1000)')",
    "NULL",
    "[NULL]",
    "INTERVAL 1 DAY",
    "CAST(number, 'SimpleAggregateFunction(sum, UInt64)')",
)


@pytest.fixture(scope="module")
def alone(filled: Store) -> dict[str, tuple[bytes, int]]:
    """Each column as the only one of its block: the block, and how long its name and type are."""
    client = filled.client()
    found = {}
    for place, column in enumerate(COLUMNS):
        block = client.raw_query(f"SELECT {column} AS c{place} FROM numbers(9)", fmt="Native")
        at = 2 + 1 + block[2]  # a column, 9 rows, the name
        found[column] = block, at + 1 + block[at]
    return found


@given(chosen=st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=6))
def test_a_byte_stands_after_each_type_and_a_header_before_each_block(
    alone: dict[str, tuple[bytes, int]], chosen: list[str]
) -> None:
    bodies = [alone[column] for column in chosen]
    count = bytes([len(chosen)]) + b"\x09"
    plain = count + b"".join(block[2:] for block, _ in bodies)
    flagged = count + b"".join(block[2:at] + b"\x00" + block[at:] for block, at in bodies)
    assert with_revision(plain * 2, 0) == plain * 2
    assert with_revision(plain * 2, 54405) == (INFO + plain) * 2
    assert with_revision(plain * 2, 54460) == (INFO + flagged) * 2


def test_a_block_without_rows_has_types_alone() -> None:
    plain = b"\x01\x00\x01a\x06String"
    assert with_revision(plain, 54460) == INFO + plain + b"\x00"


def test_a_type_that_is_not_known_is_refused(filled: Store) -> None:
    block = filled.client().raw_query("SELECT sumState(number) FROM numbers(3)", fmt="Native")
    with pytest.raises(Refusal, match="AggregateFunction"):
        with_revision(block, 54460)
