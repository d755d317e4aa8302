"""Which hosts are this machine itself: what listens there is reached by nobody else, what is sent there is read by nobody else."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Of an address (without brackets) or a name; of names, ``localhost`` alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
