"""What a client is told when there is no answer: ClickHouse's codes, names, texts and HTTP statuses."""

from __future__ import annotations

import re
from typing import Final

from maibo_slo.errors import MaiboError

NAMES: Final = {
    36: "BAD_ARGUMENTS",
    48: "NOT_IMPLEMENTED",
    60: "UNKNOWN_TABLE",
    62: "SYNTAX_ERROR",
    73: "UNKNOWN_FORMAT",
    81: "UNKNOWN_DATABASE",
    115: "UNKNOWN_SETTING",
    164: "READONLY",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    307: "TOO_MANY_BYTES",
    394: "QUERY_WAS_CANCELLED",
    482: "INTO_OUTFILE_NOT_ALLOWED",
    497: "ACCESS_DENIED",
    516: "AUTHENTICATION_FAILED",
}
_STATUSES: Final = {
    194: 401,
    48: 501,
    159: 408,
    209: 503,
    381: 411,
    415: 415,
    **dict.fromkeys((192, 193, 497, 511, 516), 403),
    **dict.fromkeys(
        (6, 8, 15, 25, 26, 27, 36, 38, 41, 44, 53, 62, 69, 72, 117, 167, 168, 223, 427, 441, 675, 676), 400
    ),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 82, 83, 108, 115, 511), 404),
    307: 413,
}
"""By ClickHouse's ``exceptionCodeToHTTPStatus``; every other code is 500."""
_CODE: Final = re.compile(r"Code: (\d+)\. DB::Exception: ")


class Refusal(MaiboError):  # noqa: N818 -- what the client gets; most are no error of ours
    """No answer, with ClickHouse's code for why."""

    def __init__(self, code: int, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.status = status or _STATUSES.get(code, 500)

    @classmethod
    def of_engine(cls, error: BaseException) -> Refusal:
        """What the embedded engine said: ``Code: 60. DB::Exception: Unknown table … (UNKNOWN_TABLE)``."""
        said = str(error)
        codes = list(_CODE.finditer(said))
        if not codes:
            return cls(1001, f"{said} (STD_EXCEPTION)")
        # The engine sometimes wraps an exception in itself.
        return cls(int(codes[0][1]), said[codes[-1].end() :].strip())

    def text(self, version: str) -> str:
        """The answer's body, as a server writes it and drivers take it apart."""
        named = "" if self.reason.rstrip().endswith(")") and "_" in self.reason.rsplit("(", 1)[-1] else self._name()
        return f"Code: {self.code}. DB::Exception: {self.reason}{named} (version {version} (maibo))\n"

    def _name(self) -> str:
        return f". ({NAMES[self.code]})" if self.code in NAMES else ""
