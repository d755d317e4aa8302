"""Examples under a command's help, one a line."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """As a click epilog; its first line keeps click from joining the others."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
