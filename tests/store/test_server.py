"""What is a server's alone: reaching it, being let in, its going away and coming back."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from maibo_slo.cli import cli
from maibo_slo.errors import StoreError
from maibo_slo.store import Store, counts, open_store
from maibo_slo.store.cells import CellFilter, Window, distributions, insert_cells
from maibo_slo.store.schema import NEWEST
from maibo_slo.store.segments import SegmentRecord, claim, is_drained, record, totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def server(shared_server: Any) -> Iterator[Any]:
    yield shared_server
    shared_server.faults()


@pytest.fixture
def own_server(shared_server: Any, tmp_path: Path) -> Iterator[Any]:
    """One that may be killed."""
    made = type(shared_server)(tmp_path / "own")
    made.start()
    yield made
    made.kill()


def _events(store: Store, tier: str = "1h") -> int:
    return int(store.rows(f"SELECT sum(n) FROM cells_{tier}")[0][0])


def test_a_store_on_a_server_is_made_written_to_and_read(server: Any, present: int, key: Callable):
    with open_store(server.dsn("it's `mine`".replace("/", "%2F").replace(" ", "%20"))) as store:
        store.warm_up()
        assert not store.embedded
        insert_cells(store, {key(present): 3}, token="a")
        (found,) = distributions(store, Window(present, present + 60), CellFilter("checkout"))
        assert found.events() == {"success": 3}


def test_a_parameter_longer_than_any_url_and_a_long_answer_go_over_the_wire(server: Any):
    with Store(server.dsn("default")) as store:
        names = [f"segment-{number}-\N{SHOPPING TROLLEY}" for number in range(40_000)]
        ((found,),) = store.rows("SELECT {names:Array(String)}", {"names": names})
        assert found == names
        assert store.arrow("SELECT number AS n FROM numbers(500000)")["n"][499_999].as_py() == 499_999


def test_a_user_that_is_not_let_in_is_one_clear_line_without_the_password(server: Any):
    with pytest.raises(StoreError) as refused:
        open_store(server.dsn("mine", password="falsch"))
    assert str(refused.value) == (
        f"the store clickhouse://me@127.0.0.1:{server.port}/mine does not let this user in: "
        "there is no such user, or the password is wrong"
    )


def test_an_error_of_the_server_names_the_statement_and_the_code(server: Any):
    with Store(server.dsn("default")) as store, pytest.raises(StoreError, match=r"SELECT nonsense.*Code: 47") as told:
        store.rows("SELECT nonsense")
    assert len(str(told.value)) < 400


def test_looking_at_a_store_makes_no_database(server: Any):
    with pytest.raises(StoreError, match="has no database 'nowhere': `maibo store migrate` makes one"):
        open_store(server.dsn("nowhere"), migrate=False)
    result = CliRunner().invoke(cli, ["store", "info", "--store", server.dsn("nowhere")])
    assert result.exit_code == 1
    with Store(server.dsn("default")) as store:
        assert store.rows("SELECT count() FROM system.databases WHERE name = 'nowhere'") == [(0,)]
    CliRunner().invoke(cli, ["store", "migrate", "--store", server.dsn("nowhere")], catch_exceptions=False)
    result = CliRunner().invoke(
        cli, ["store", "info", "--store", server.dsn("nowhere"), "--output", "json"], catch_exceptions=False
    )
    assert json.loads(result.stdout)["schema"] == NEWEST


def test_a_server_that_only_reads_refuses_counts_and_takes_them_when_it_writes_again(
    server: Any, present: int, key: Callable
):
    with open_store(server.dsn("readonly")) as store:
        server.faults("readonly=1")
        with pytest.raises(StoreError, match="readonly mode"):
            insert_cells(store, {key(present): 3}, token="a")
        with pytest.raises(StoreError, match="readonly mode"):
            claim(store, "a", [b"\0" * 16])
        assert is_drained(store, ["a"]) == set()
        server.faults()
        insert_cells(store, {key(present): 3}, token="a")
        assert _events(store) == 3


def test_what_a_server_did_without_telling_is_not_done_twice(server: Any, present: int, key: Callable):
    with open_store(server.dsn("silent")) as store:
        body, done = b"\1" * 16, SegmentRecord("a", 1, 1, 0, 3, 3, 0, 0, (present,))
        steps = (
            lambda: claim(store, "a", [body]),
            lambda: insert_cells(store, {key(present): 3}, token="a"),
            lambda: record(store, done),
        )
        for step in steps:
            server.faults("drop_answers=1")
            with pytest.raises(StoreError, match="went away"):
                step()
            server.faults()
            step()
        assert claim(store, "a", [body]) == {body}
        assert [_events(store, tier) for tier in ("10s", "1m", "1h")] == [3, 3, 3]
        assert totals(store).counted == 3


def test_a_server_that_is_not_there_is_told_in_one_line_with_what_to_look_at():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # not listening
        asked = subprocess.run(
            [
                sys.executable,
                "-c",
                "from maibo_slo.cli import main; main()",
                "store",
                "info",
                "--store",
                f"clickhouse://me@127.0.0.1:{free.getsockname()[1]}/mine",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert asked.returncode == 1
    (line,) = asked.stderr.splitlines()
    assert "cannot be reached (Connection refused)" in line
    assert "is the server running, and are these the host and port of its HTTP interface (8123, or 8443" in line


def test_a_server_goes_away_and_comes_back_and_the_same_store_goes_on(own_server: Any, present: int, key: Callable):
    with open_store(own_server.dsn("mine")) as store:
        insert_cells(store, {key(present): 3}, token="a")
        own_server.kill()
        for _ in range(2):
            with pytest.raises(StoreError, match=r"^the store clickhouse://me@127.0.0.1:\d+/mine cannot be reached \("):
                insert_cells(store, {key(present): 5}, token="b")
        own_server.start()
        for token, n in (("a", 3), ("b", 5), ("b", 5)):
            insert_cells(store, {key(present): n}, token=token)
        assert [_events(store, tier) for tier in ("10s", "1m", "1h")] == [8, 8, 8]


def test_killed_under_load_a_server_has_every_batch_once_after_it_is_sent_again(
    own_server: Any, present: int, key: Callable
):
    def send(store: Store, number: int) -> None:
        cells = {key(present + 10 * (number % 30), tier=str(number % 3)): number + 1}
        insert_cells(store, cells, token=f"batch-{number}")

    with open_store(own_server.dsn("mine")) as store:
        sent = 0
        for round_ in range(2):
            killer = threading.Timer(0.3 + 0.2 * round_, own_server.kill)
            killer.start()
            try:
                while True:
                    send(store, sent)
                    sent += 1
            except StoreError:
                killer.join()
            own_server.start()
        for number in range(sent + 1):  # the last was sent, and never answered
            send(store, number)
        expected = sum(range(1, sent + 2))
        assert [_events(store, tier) for tier in ("10s", "1m", "1h")] == [expected] * 3


def test_collectors_of_one_server_that_claim_the_same_bodies_share_them_out(server: Any):
    bodies = [bytes([number]) * 16 for number in range(40)]
    owned: dict[str, set[bytes]] = {}
    barrier = threading.Barrier(3)

    def collect(name: str) -> None:
        with Store(server.dsn("claims")) as own:
            barrier.wait(timeout=30)
            first = claim(own, name, bodies)
            barrier.wait(timeout=30)
            owned[name] = claim(own, name, bodies)
            assert owned[name] <= first

    with open_store(server.dsn("claims")):
        threads = [threading.Thread(target=collect, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(body for bodies_ in owned.values() for body in bodies_) == sorted(bodies)


def test_a_claim_that_was_stamped_first_wins_whoever_asks_first_and_whatever_its_name(server: Any):
    with open_store(server.dsn("stamps")) as store:
        at = "SELECT unhex('00112233445566778899aabbccddeeff'), "
        store.execute(f"INSERT INTO bodies (hash, segment, claimed_at, claimed_us) {at} 'z', now() - 1, 5")
        body = bytes.fromhex("00112233445566778899aabbccddeeff")
        assert claim(store, "a", [body]) == set()
        assert claim(store, "z", [body]) == {body}
        assert claim(store, "b", [body]) == set()


def test_no_counts_are_asked_of_a_server_for_nothing(server: Any, monkeypatch: pytest.MonkeyPatch):
    with open_store(server.dsn("nothing")) as store:
        monkeypatch.setattr(store, "insert", lambda *_, **__: pytest.fail("nothing is to be inserted"))
        counts.insert(store, counts.Counts(), token="a")
