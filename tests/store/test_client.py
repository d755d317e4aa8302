from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from maibo_slo.errors import StoreError, StoreInUse
from maibo_slo.store import Store, open_store
from maibo_slo.store.client import TEMPORARY_FOLDER

HOLD = "import sys; from maibo_slo.store import open_store; s = open_store(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def test_a_store_that_another_process_owns_is_refused_with_the_folder_the_owner_and_the_mend(
    store_dsn: str, tmp_path: Path
):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, store_dsn], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"open\n"
        (tmp_path / "store" / TEMPORARY_FOLDER / "in-use.native").touch()
        with pytest.raises(StoreInUse) as refused:
            open_store(store_dsn)
        assert str(tmp_path / "store") in str(refused.value)
        assert f"process {owner.pid}" in str(refused.value)
        assert "stop it first" in str(refused.value)
        assert (tmp_path / "store" / TEMPORARY_FOLDER / "in-use.native").exists()  # the owner's files are left alone
        owner.kill()
    with open_store(store_dsn) as store:
        assert store.rows("SELECT 1") == [(1,)]
        assert not (tmp_path / "store" / TEMPORARY_FOLDER / "in-use.native").exists()  # what a kill leaves is wiped


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # that is what is tested
def test_a_forked_child_is_told_instead_of_hanging(store: Store):
    child = os.fork()
    if child == 0:
        try:
            store.rows("SELECT 1")
            status = 1
        except StoreError as error:
            status = 0 if "spawn" in str(error) else 2
        store.close()  # must not close the parent's
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.rows("SELECT 1") == [(1,)]


def test_a_store_closes_and_another_opens_in_the_same_process(tmp_path: Path):
    for name in ("one", "two", "one"):
        with open_store(f"chdb://{tmp_path / name}") as store:
            store.execute(f"CREATE TABLE IF NOT EXISTS mark_{name} (x UInt8) ENGINE = MergeTree ORDER BY x")
            assert store.rows("SELECT name FROM system.tables WHERE name LIKE 'mark%' AND database = 'default'") == [
                (f"mark_{name}",)
            ]


def test_a_process_has_one_folder_and_says_so(store: Store, tmp_path: Path):
    with pytest.raises(StoreError, match="one folder a process"):
        open_store(f"chdb://{tmp_path / 'another'}")


def test_databases_of_one_folder_are_stores_of_their_own(store: Store):
    with open_store(f"{store}?database=it's `mine`") as other:
        store.execute("CREATE TABLE only_here (x UInt8) ENGINE = MergeTree ORDER BY x")
        with pytest.raises(StoreError, match="only_here"):
            other.rows("SELECT * FROM only_here")
        assert other.rows("SELECT currentDatabase()") == [("it's `mine`",)]
    assert store.rows("SELECT count() FROM only_here") == [(0,)]


def test_every_thread_has_its_own_client_and_a_finished_thread_leaves_none(store: Store):
    clients: list[int] = []
    barrier = threading.Barrier(4)

    def ask() -> None:
        assert store.client() is store.client()
        assert store.rows("SELECT 7") == [(7,)]
        barrier.wait(timeout=30)
        clients.append(id(store.client()))
        barrier.wait(timeout=30)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*clients, id(store.client())}) == 5
    gc.collect()
    assert len(store._clients) == 1


def test_temporary_files_of_inserts_are_in_the_stores_folder_while_it_is_open(store_dsn: str, tmp_path: Path):
    before = tempfile.gettempdir()
    with open_store(store_dsn) as store:
        assert tempfile.gettempdir() == str(tmp_path / "store" / TEMPORARY_FOLDER)
        store.warm_up()
        assert list((tmp_path / "store" / TEMPORARY_FOLDER).iterdir()) == []
    assert tempfile.gettempdir() == before
    assert not (tmp_path / "store" / TEMPORARY_FOLDER).exists()


def test_warming_up_may_be_repeated_and_leaves_no_table(store: Store):
    store.warm_up()
    store.warm_up()
    with pytest.raises(StoreError, match="warm_up"):
        store.rows("SELECT * FROM warm_up")


def test_merges_of_an_embedded_engine_yield_to_everything_else(store: Store):
    store.warm_up()
    nice = {
        thread.joinpath("comm").read_text().strip(): os.getpriority(os.PRIO_PROCESS, int(thread.name))
        for thread in Path("/proc/self/task").iterdir()
    }
    assert nice["MergeMutate"] > nice["ThreadPool"]


def test_a_closed_store_says_so(store_dsn: str):
    store = open_store(store_dsn)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.rows("SELECT 1")


def test_an_error_of_the_engine_names_the_statement(store: Store):
    with pytest.raises(StoreError, match=r"SELECT nonsense.*nonsense"):
        store.rows("SELECT nonsense")


def test_a_relative_folder_and_an_odd_name_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with open_store("chdb://some%20place/mine%3F") as store:
        assert store.rows("SELECT 1") == [(1,)]
    assert (tmp_path / "some place" / "mine?" / "maibo.lock").exists()


@pytest.mark.parametrize(
    ("dsn", "complaint"),
    [
        ("", "should be like"),
        ("/var/lib/maibo", "should be like"),
        ("postgres://x", "should be like"),
        ("chdb://", "names no folder"),
        ("chdb:///", "names no folder"),
        ("chdb:///tmp/x?databse=y", "unknown option 'databse'"),
        ("clickhouse://host:port/db", "wrong host or port"),
        ("clickhouse://[host/db", "wrong host or port"),
        ("chdb:///proc/nowhere", "give a folder this user may write"),
    ],
)
def test_a_wrong_dsn_is_refused_with_what_is_wrong(dsn: str, complaint: str):
    with pytest.raises(StoreError, match=complaint):
        open_store(dsn)


@pytest.mark.parametrize("password", ["ge/heim", "ge#heim", "ge?heim", "ge[heim", "ge\u2100heim"])
def test_a_password_that_breaks_the_dsn_is_not_told(password: str):
    with pytest.raises(StoreError, match="of the password written as %2F") as refused:
        open_store(f"clickhouse://me:{password}@host:8123/db")
    assert "heim" not in str(refused.value)


def test_an_open_store_shows_its_password_to_nobody(store: Store):
    assert [name for name in dir(store) if not name.startswith("_") and "dsn" in name] == []


def test_a_server_that_is_not_there_is_an_error_without_the_password():
    with pytest.raises(StoreError) as refused:
        open_store("clickhouse://me:geheim@127.0.0.1:1/db")
    assert "clickhouse://me@127.0.0.1:1/db" in str(refused.value)
    assert "geheim" not in str(refused.value)
