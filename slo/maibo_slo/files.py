"""Files that are replaced as a whole: whoever reads one has all of it or what was before, whatever dies meanwhile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Write it beside, then in its place. OSError."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    os.replace(draft, path)  # noqa: PTH105 -- Path.replace says the same; os.replace is known to be atomic
