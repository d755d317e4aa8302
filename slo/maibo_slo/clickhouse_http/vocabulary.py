"""What a statement may name: tables, functions, table functions, formats.

Functions are judged by the engine's own list of them, read once: each belongs to a category, and whole categories are safe. Whatever reads files, asks
other hosts, sleeps, or tells of this machine is in a category that is not, or in none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from maibo_slo.store import tables

if TYPE_CHECKING:
    from collections.abc import Iterable

OFFERED: Final = frozenset(
    table.name
    for table in (
        *tables.CELLS,
        tables.FLOW,
        tables.STARTS,
        tables.REASONS,
        tables.EXEMPLARS,
        tables.SAMPLED,
        tables.SKEWED,
        tables.SLI,
        tables.SEGMENTS,
        tables.INGEST,
        tables.EVENTS,
        tables.SERVED,
        tables.REPLICAS,
        tables.SCALING,
        tables.FORECASTS,
    )
)
HIDDEN: Final = frozenset({tables.BODIES.name, tables.STREAMS.name, tables.APPLIED.name})
"""The collector's memory and the migrations': nobody's charts."""

SYSTEM: Final = {
    "databases": "SELECT name, engine, comment FROM system.databases WHERE name = {database}",
    "tables": "SELECT database, name, engine, is_temporary, create_table_query, partition_key, sorting_key, primary_key, total_rows, "
    "total_bytes, comment FROM system.tables WHERE database = {database} AND name IN {tables}",
    "columns": "SELECT database, table, name, type, position, default_kind, default_expression, comment, is_in_partition_key, "
    "is_in_sorting_key, is_in_primary_key, is_in_sampling_key, compression_codec FROM system.columns "
    "WHERE database = {database} AND table IN {tables}",
    "settings": "SELECT name, value, changed, description, min, max, toUInt8(name = 'readonly') AS readonly, type, default "
    "FROM system.settings WHERE name IN {settings}",
    "functions": "SELECT name, is_aggregate, case_insensitive, alias_to, origin, description, syntax, arguments, returned_value, "
    "examples, categories FROM system.functions",
}
"""What stands for a table of ``system``: what editors and drivers ask it for, about the tables offered alone."""
PLAIN_SYSTEM: Final = frozenset({"one", "numbers"})

TABLE_FUNCTIONS: Final = frozenset(
    {"numbers", "zeros", "generate_series", "generateSeries", "values", "VALUES", "null"}
)

FORMATS: Final = {
    "Native": "application/octet-stream",
    "JSON": "application/json; charset=UTF-8",
    "JSONStrings": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONCompactStrings": "application/json; charset=UTF-8",
    "JSONColumns": "application/json; charset=UTF-8",
    "JSONColumnsWithMetadata": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "JSONStringsEachRow": "application/x-ndjson; charset=UTF-8",
    "JSONCompactEachRow": "application/x-ndjson; charset=UTF-8",
    "JSONCompactEachRowWithNames": "application/x-ndjson; charset=UTF-8",
    "JSONCompactEachRowWithNamesAndTypes": "application/x-ndjson; charset=UTF-8",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TabSeparatedRaw": "text/tab-separated-values; charset=UTF-8",
    "TabSeparatedWithNames": "text/tab-separated-values; charset=UTF-8",
    "TabSeparatedWithNamesAndTypes": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "TSVRaw": "text/tab-separated-values; charset=UTF-8",
    "TSVWithNames": "text/tab-separated-values; charset=UTF-8",
    "TSVWithNamesAndTypes": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "CSVWithNamesAndTypes": "text/csv; charset=UTF-8; header=present",
    "Arrow": "application/octet-stream",
    "ArrowStream": "application/octet-stream",
    "Parquet": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "RowBinaryWithNames": "application/octet-stream",
    "RowBinaryWithNamesAndTypes": "application/octet-stream",
    "Pretty": "text/plain; charset=UTF-8",
    "PrettyCompact": "text/plain; charset=UTF-8",
    "Vertical": "text/plain; charset=UTF-8",
    "Values": "text/plain; charset=UTF-8",
    "Markdown": "text/plain; charset=UTF-8",
    "XML": "application/xml; charset=UTF-8",
    "Null": "text/plain; charset=UTF-8",
}
"""And their content types."""

FUNCTIONS_QUERY: Final = (
    "SELECT name, if(alias_to = '', name, alias_to), is_aggregate, categories, origin FROM system.functions"
)
_CATEGORIES: Final = frozenset(
    {
        "Arithmetic",
        "Arrays",
        "Bit",
        "Bitmap",
        "Comparison",
        "Conditional",
        "Dates and Times",
        "Distance",
        "Encoding",
        "Financial",
        "Geo",
        "Geo Polygon",
        "Hash",
        "IP Address",
        "JSON",
        "Logical",
        "Map",
        "Mathematical",
        "Null",
        "NumericIndexedVector",
        "Random Number",
        "Rounding",
        "String",
        "String Replacement",
        "String Search",
        "String Splitting",
        "Time Window",
        "Tuple",
        "Type Conversion",
        "URL",
        "UUID",
    }
)
_OTHERS: Final = frozenset(
    """
    bar blockNumber byteSize caseWithExpression countDigits currentDatabase currentUser defaultValueOfArgumentType defaultValueOfTypeName
    displayName errorCodeToName finalizeAggregation formatReadableDecimalSize formatReadableQuantity formatReadableSize
    formatReadableTimeDelta getSetting getSizeOfEnumType hostName identity ignore indexHint initializeAggregation isConstant
    isDecimalOverflow lowCardinalityIndices lowCardinalityKeys materialize minSampleSizeContinuous minSampleSizeConversion neighbor
    parseReadableSize parseReadableSizeOrNull parseReadableSizeOrZero parseTimeDelta queryID revision rowNumberInAllBlocks
    rowNumberInBlock runningAccumulate runningConcurrency runningDifference runningDifferenceStartingWithFirstValue throwIf
    toColumnTypeName toTypeName transform uptime version visibleWidth
    """.split()  # noqa: SIM905 -- so many names are read best so
)
NAMES_OF_HOST: Final = frozenset({"displayName", "hostName", "hostname"})
"""Answered with `DISPLAY_NAME`."""
DISPLAY_NAME: Final = "maibo"


@dataclass(frozen=True, slots=True)
class Functions:
    """Those of the engine that may not be named; whatever it does not know is no function, and its own to refuse."""

    denied: frozenset[str]
    """In lower case."""

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, int, str, str]]) -> Functions:
        """From the rows of `FUNCTIONS_QUERY`."""
        known = tuple(rows)
        allowed = {
            name
            for name, _, is_aggregate, category, origin in known
            if origin == "System" and (is_aggregate or category in _CATEGORIES or name in _OTHERS)
        }
        return cls(
            frozenset(
                name.lower()
                for name, function, is_aggregate, _, origin in known
                if function not in allowed and not (is_aggregate and origin == "System")
            )
        )

    def allow(self, name: str) -> bool:
        """Whether it may be called, or named where a function may be."""
        return name.lower() not in self.denied and not name.startswith("__")
