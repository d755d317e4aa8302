"""Where things are when nobody says. Imports nothing heavy: the command line asks here."""

from __future__ import annotations

import os
from pathlib import Path


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/maibo``, that is ``~/.local/share/maibo``."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "maibo"


def default_store(data_dir: Path) -> str:
    """An embedded store in the service's own folder."""
    return f"chdb://{data_dir.resolve() / 'store'}"
