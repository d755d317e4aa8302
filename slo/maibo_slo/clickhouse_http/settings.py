"""Which of ClickHouse's settings a client may send, in the URL or in a statement's SETTINGS.

Limits may be lowered, never raised. What changes how an answer is written or what a NULL means is passed on. What drivers send to every server, and
what means nothing here, is taken and forgotten. Everything else is refused as a server refuses it to a user who may only read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from maibo_slo.clickhouse_http.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LIMITS: Final = {
    "max_execution_time": 30,
    "max_result_rows": 1_000_000,
    "max_result_bytes": 64 * 2**20,
    "max_memory_usage": 400 * 2**20,
    "max_rows_to_read": 0,
    "max_bytes_to_read": 0,
}
"""0 is no limit: those of time and memory hold."""

PASSED: Final = frozenset(
    {
        "aggregate_functions_null_for_empty",
        "cast_string_to_dynamic_use_inference",
        "date_time_input_format",
        "date_time_output_format",
        "extremes",
        "final",
        "group_by_use_nulls",
        "join_use_nulls",
        "limit",
        "offset",
        "prefer_column_name_to_alias",
        "result_overflow_mode",
        "session_timezone",
        "transform_null_in",
        "output_format_arrow_compression_method",
        "output_format_arrow_fixed_string_as_fixed_byte_array",
        "output_format_arrow_low_cardinality_as_dictionary",
        "output_format_arrow_string_as_string",
        "output_format_csv_crlf_end_of_line",
        "output_format_decimal_trailing_zeros",
        "output_format_json_array_of_rows",
        "output_format_json_escape_forward_slashes",
        "output_format_json_named_tuples_as_objects",
        "output_format_json_quote_64bit_floats",
        "output_format_json_quote_64bit_integers",
        "output_format_json_quote_decimals",
        "output_format_json_quote_denormals",
        "output_format_tsv_crlf_end_of_line",
        "output_format_write_statistics",
    }
)
"""Passed on to the engine as they come."""

FORGOTTEN: Final = frozenset(
    {
        "add_http_cors_header",
        "buffer_size",
        "cancel_http_readonly_queries_on_client_close",
        "connect_timeout",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "http_write_exception_in_output_format",
        "http_zlib_compression_level",
        "log_comment",
        "log_queries",
        "max_block_size",
        "max_threads",
        "priority",
        "receive_timeout",
        "send_progress_in_http_headers",
        "send_timeout",
        "use_query_cache",
        "wait_end_of_query",
    }
)
SESSION: Final = frozenset({"session_id", "session_check", "session_timeout", "quota_key"})
"""Parts of the interface, no settings: there are no sessions to keep."""
SHOWN: Final = tuple(sorted({*LIMITS, *PASSED, *FORGOTTEN, "readonly"}))
"""What ``system.settings`` lists."""

_ALWAYS: Final = {
    "max_threads": "1",
    "max_query_size": str(2 * 2**20),  # tables with their databases make a statement longer
    "max_ast_depth": "300",
    "max_ast_elements": "20000",
    "max_expanded_ast_elements": "50000",
    "max_subquery_depth": "30",
    "max_bytes_before_external_group_by": "0",
    "max_bytes_before_external_sort": "0",
    "max_bytes_ratio_before_external_group_by": "0",
    "max_bytes_ratio_before_external_sort": "0",
    "timeout_before_checking_execution_speed": "0",
    "use_query_cache": "0",
    "result_overflow_mode": "throw",
    "session_timezone": "UTC",
}
_NUMBER: Final = re.compile(r"\d{1,18}(\.\d{1,6})?")


def in_force(asked: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Every setting of a statement's session, from what its client asked for in turn. Refusal for what is none of a reader's."""
    made = _ALWAYS | {name: str(limit) for name, limit in LIMITS.items()}
    for name, value in asked:
        if name in LIMITS:
            made[name] = _lowered(name, value, made[name])
        elif name in PASSED:
            made[name] = value
        elif name == "readonly" and value in {"1", "2"}:
            continue
        elif name not in FORGOTTEN:
            raise Refusal(164, f"Cannot modify '{name}' setting in readonly mode")
    return made


def clause(settings: Mapping[str, str]) -> str:
    """As SET takes them; reading alone, from then on."""
    written = ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())
    return f"SET {written}, readonly = 1"


def quoted(text: str) -> str:
    """A literal of SQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _lowered(name: str, value: str, most: str) -> str:
    if not _NUMBER.fullmatch(value):
        raise Refusal(36, f"Setting {name} takes a number, not {value!r}")
    asked, allowed = float(value), float(most)
    return value if asked and (asked < allowed or not allowed) else most
