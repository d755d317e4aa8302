"""Python's collector of cycles, set for a service: what was loaded is never looked through again, and the rest seldom.

A whole look costs 50 ms where a thousand SLOs are kept, and readers wait for it; the many small ones cost 4 ms of each page. Cycles are few here, so
what they hold meanwhile is little.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 20_000
"""Objects that were made and are not gone yet, before the youngest are looked through; Python's own is 700. A page makes some ten thousand, all of
which go with it, and a tick of a thousand SLOs a hundred thousand.
"""
SELDOM: Final = 100
"""Looks at the youngest for each one at those that were left by it; Python's own is 10."""


def settle() -> None:
    """Once, when everything is loaded."""
    gc.collect()
    gc.freeze()
    _, _, whole = gc.get_threshold()
    gc.set_threshold(YOUNG, SELDOM, whole)
