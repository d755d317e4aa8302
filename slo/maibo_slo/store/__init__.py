"""The store: cells, ledger and segments in ClickHouse, embedded (chDB) or a server, behind one driver."""

from maibo_slo.store.client import Store, open_store

__all__ = ["Store", "open_store"]
