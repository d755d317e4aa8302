"""STUB (owner: store helper). One `Store` a process.

open_store(dsn, *, migrate=True) -> Store
Store.dsn: str; Store.embedded: bool; Store.close(); context manager
Store.client() -> clickhouse_connect client of the calling thread (one client serialises its threads, so each thread has its own)
Store.warm_up(): the first insert costs 2 s (lazy imports); done before readiness
Raises StoreInUse when another process owns the folder, naming the folder, and the mend (use --url / stop the other).
"""
from typing import Self


class Store:
    dsn: str
    embedded: bool

    def close(self) -> None: raise NotImplementedError
    def warm_up(self) -> None: raise NotImplementedError
    def __enter__(self) -> Self: return self
    def __exit__(self, *_: object) -> None: self.close()


def open_store(dsn: str, *, migrate: bool = True) -> Store: raise NotImplementedError
