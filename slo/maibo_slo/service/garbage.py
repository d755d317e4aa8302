"""Python's collector of cycles, set for a service: what was loaded is never looked through again, and the rest seldom as a whole.

A whole look costs 50 ms where a thousand SLOs are kept, and readers wait for it. Cycles are few here, so what they hold meanwhile is little.
"""

from __future__ import annotations

import gc
from typing import Final

SELDOM: Final = 50
"""Looks at what is younger for each whole one; Python's own is 10."""


def settle() -> None:
    """Once, when everything is loaded."""
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, SELDOM)
