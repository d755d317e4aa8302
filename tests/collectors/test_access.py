"""Who is let in, and how much each may send."""

import logging
from datetime import UTC, datetime

import pytest
from google.rpc.code_pb2 import Code
from hypothesis import given
from hypothesis import strategies as st

from maibo_collectors.errors import CollectorError
from maibo_collectors.otlp.receiving.access import OPEN, Access, Door, Quota
from maibo_collectors.otlp.receiving.answers import Refused
from maibo_collectors.otlp.receiving.refusals import LINES, WINDOW_SECONDS, Refusals, Seldom
from maibo_slo import tokens
from maibo_slo.tokens import Scope

MIB = 2**20
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tokens.json"


def test_a_door_without_tokens_asks_nobody():
    assert Door(OPEN, now=0).enter("", peer="192.0.2.7", now=0) == ""
    assert Door(OPEN, now=0).enter("Bearer anything", peer="192.0.2.7", now=0) == ""


def test_the_owner_of_a_token_enters_by_name(file):
    secret = tokens.add(file, "shop", Scope.INGEST, now=NOW)
    door = Door(Access(tokens=file), now=0)
    for said in (f"Bearer {secret}", f"bearer  {secret} "):
        assert door.enter(said, peer="192.0.2.7", now=0) == "shop"


@pytest.mark.parametrize(
    "said",
    ["", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer {}x", "Bearer {} {}", "Bearer {}, Bearer {}", "Bearer \xff"],
)
def test_anything_else_is_unauthenticated_and_not_told_why(file, said):
    secret = tokens.add(file, "shop", Scope.INGEST, now=NOW)
    with pytest.raises(Refused) as refused:
        Door(Access(tokens=file), now=0).enter(said.format(secret, secret), peer="192.0.2.7", now=0)
    assert (refused.value.http, refused.value.code) == (401, Code.UNAUTHENTICATED)
    assert refused.value.headers == ((b"www-authenticate", b"Bearer"),)
    assert secret not in str(refused.value)


def test_a_token_of_another_scope_does_not_let_in(file):
    secret = tokens.add(file, "reader", Scope.READ, now=NOW)
    with pytest.raises(Refused, match="another scope"):
        Door(Access(tokens=file), now=0).enter(f"Bearer {secret}", peer="192.0.2.7", now=0)


def test_who_is_refused_is_in_the_log_with_address_and_reason_and_without_secrets(file, caplog):
    secrets = [tokens.add(file, f"reader-{scope}", scope, now=NOW) for scope in (Scope.READ, Scope.ACT)]
    door = Door(Access(tokens=file), now=0)
    for said in ("", "Basic abcdef", "Bearer guessed", *(f"Bearer {secret}" for secret in secrets)):
        with pytest.raises(Refused):
            door.enter(said, peer="192.0.2.7", now=1)
    assert [record.getMessage() for record in caplog.records] == [
        "refused 192.0.2.7: it showed no token",
        "refused 192.0.2.7: what it showed is no bearer token",
        "refused 192.0.2.7: its token is unknown or revoked",
        "refused 192.0.2.7: its token 'reader-read' is for read, not for ingest",
        "refused 192.0.2.7: its token 'reader-act' is for act, not for ingest",
    ]


def test_of_refusals_that_repeat_a_line_a_minute_is_logged_and_few_in_all(caplog):
    told = Refusals(now=0)
    for each in range(1000):
        told.tell("192.0.2.7", "no token", now=each / 100)
    assert len(caplog.records) == 1
    for each in range(1000):
        told.tell(f"2001:db8::{each:x}", "no token", now=20)
    assert len(caplog.records) == LINES
    caplog.clear()
    told.tell("192.0.2.7", "no token", now=WINDOW_SECONDS)
    more, line = (record.getMessage() for record in caplog.records)
    assert more == f"{2000 - LINES} more refusals like those before were not logged"
    assert line == "refused 192.0.2.7: no token"


def test_of_a_servers_own_warnings_one_of_each_kind_a_minute_is_logged(caplog):
    server = logging.getLogger("a server")
    server.addFilter(Seldom())
    for number in range(1000):
        server.warning("no HTTP")
        server.warning("request %d is odd", number)
    assert [record.getMessage() for record in caplog.records] == ["no HTTP", "request 0 is odd"]
    for _ in range(2):
        server.error("broken")
    assert len(caplog.records) == 4


def test_only_where_nobody_is_asked_must_the_host_be_local(file):
    tokens.add(file, "shop", Scope.INGEST, now=NOW)
    Door(Access(tokens=file), now=0).require_local(b"collector.example")
    Door(Access(client_ca=file), now=0).require_local(b"collector.example")
    with pytest.raises(Refused, match=r"collector\.example"):
        Door(OPEN, now=0).require_local(b"collector.example")


def test_each_token_has_its_own_quota_and_is_told_when_to_come_again(file):
    secrets = {name: tokens.add(file, name, Scope.INGEST, now=NOW) for name in ("greedy", "modest")}
    door = Door(Access(tokens=file), bytes_per_second=MIB, now=0)
    door.took(door.enter(f"Bearer {secrets['greedy']}", peer="192.0.2.7", now=0), 4 * MIB, now=0)
    with pytest.raises(Refused, match="greedy sends more than 1 MiB a second") as refused:
        door.enter(f"Bearer {secrets['greedy']}", peer="192.0.2.7", now=0.5)
    assert (refused.value.http, refused.value.code) == (429, Code.RESOURCE_EXHAUSTED)
    assert refused.value.retry_after == 3
    assert door.enter(f"Bearer {secrets['modest']}", peer="192.0.2.7", now=0.5) == "modest"
    assert door.enter(f"Bearer {secrets['greedy']}", peer="192.0.2.7", now=0.5 + 3) == "greedy"


def test_without_a_quota_nobody_is_refused(file):
    secret = tokens.add(file, "shop", Scope.INGEST, now=NOW)
    door = Door(Access(tokens=file), now=0)
    for _ in range(100):
        door.took(door.enter(f"Bearer {secret}", peer="192.0.2.7", now=0), 64 * MIB, now=0)


@given(st.integers(1, 1000), st.lists(st.tuples(st.floats(0, 10), st.integers(1, 5000)), max_size=60))
def test_never_more_is_taken_than_the_rate_allows_and_the_last_body(rate, arrivals):
    quota, now, taken, last = Quota(rate, 0.0), 0.0, 0, 0
    for pause, size in arrivals:
        now += pause
        wait = quota.wait(now)
        if wait:
            assert quota.wait(now + wait) == 0  # whoever comes when told is not refused
        else:
            quota.take(size, now)
            taken, last = taken + size, size
    assert taken - last <= rate * (now + 1) + 1e-6 * rate


def test_a_clock_that_steps_back_gives_nothing_away():
    quota = Quota(10, 100.0)
    quota.take(30, 100.0)
    assert quota.wait(50.0) == 3
    assert quota.wait(101.0) == 2


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ("cert", "do not work together"),
        ("key", "do not work together"),
        ("client_ca", "holds no certificate in PEM"),
    ],
)
def test_files_that_are_not_what_they_should_be_are_named(tmp_path, certificates, wrong, problem):
    files = dict(certificates)
    files[wrong] = tmp_path / "wrong.pem"
    files[wrong].write_text("nothing of the kind")
    access = Access(certificate=files["cert"], key=files["key"], client_ca=files["client_ca"])
    with pytest.raises(CollectorError, match=problem) as error:
        access.check()
    assert "wrong.pem" in str(error.value)


def test_a_missing_file_is_named(tmp_path, certificates):
    access = Access(certificate=certificates["cert"], key=tmp_path / "gone.pem")
    with pytest.raises(CollectorError, match=r"--otlp-tls-key: there is no file .*gone\.pem"):
        access.check()
