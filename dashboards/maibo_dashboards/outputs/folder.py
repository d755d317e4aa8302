"""Grafana's folder: its title is what people read, its uid is what stays."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

_LONGEST: Final = 40
"""Characters that Grafana allows a uid."""


def folder_uid(title: str) -> str:
    """The same for the same title; '' of none: then dashboards are in no folder.

    >>> folder_uid("maibo"), folder_uid("Team Shop"), folder_uid("")
    ('maibo', 'maibo-team-shop-115a6c90', '')
    """
    if title in {"", "maibo"}:
        return title
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    digest = sha256(title.encode()).hexdigest()[:8]
    return f"maibo-{slug}"[: _LONGEST - 9].rstrip("-") + f"-{digest}"
