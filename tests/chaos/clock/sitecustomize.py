"""A wall clock that tests can move: it is off by as many seconds as the file that ``MAIBO_TEST_CLOCK`` names says."""

import os
import time

_real_ns, _path = time.time_ns, os.environ.get("MAIBO_TEST_CLOCK", "")


def _offset_ns() -> int:
    try:
        with open(_path) as file:  # noqa: PTH123 -- loaded at every start: no pathlib for it
            return int(float(file.read() or 0) * 1e9)
    except OSError:
        return 0


if _path:
    time.time_ns = lambda: _real_ns() + _offset_ns()
    time.time = lambda: time.time_ns() / 1e9
