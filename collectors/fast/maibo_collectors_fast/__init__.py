"""The compiled scanner's library, built from ``scan.c`` when this distribution is installed; `maibo_collectors.otlp.decoding.compiled` drives it."""

from pathlib import Path
from typing import Final

LIBRARY: Final = Path(__file__).with_name("scan.so")
"""Loaded through ctypes: it knows nothing of Python, and leaves it alone while it works."""
