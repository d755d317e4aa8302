"""The file of tokens, and the commands that change it."""

import json
import os
import stat
import threading
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from maibo_slo import tokens
from maibo_slo.cli import cli
from maibo_slo.errors import TokensError
from maibo_slo.tokens import Scope, TokenFile

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tokens.json"


@pytest.fixture
def maibo():
    return lambda *arguments: CliRunner().invoke(cli, [*map(str, arguments)], prog_name="maibo")


def test_a_secret_is_256_bits_that_the_file_does_not_hold(file):
    secrets = {tokens.add(file, f"shop-{number}", Scope.INGEST, now=NOW) for number in range(20)}
    assert len(secrets) == 20
    for secret in secrets:
        assert secret.startswith("maibo_ingest_")
        assert len(secret.removeprefix("maibo_ingest_")) * 6 >= 256
        assert secret not in file.read_text()
        assert secret.removeprefix("maibo_ingest_") not in file.read_text()


def test_the_file_is_its_owners_alone_and_holds_name_scope_hash_and_age(file):
    tokens.add(file, "shop", Scope.INGEST, now=NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (token,) = json.loads(file.read_text())["tokens"]
    assert (token["name"], token["scope"], token["created"]) == ("shop", "ingest", "2026-01-02T03:04:05Z")
    assert len(token["sha256"]) == 64
    assert list(file.parent.iterdir()) == [file]  # nothing unfinished is left beside it


def test_a_secret_belongs_to_its_name_for_its_scope_only(file):
    secrets = {scope: tokens.add(file, scope, scope, now=NOW) for scope in Scope}
    found = tokens.read(file)
    for scope, secret in secrets.items():
        for asked in Scope:
            assert tokens.owner(found, secret, asked) == (scope if asked is scope else None)
    for wrong in ("", "maibo_ingest_", secrets[Scope.INGEST][:-1], secrets[Scope.INGEST].upper(), "\udc80"):
        assert tokens.owner(found, wrong, Scope.INGEST) is None


def test_every_token_is_compared_whichever_it_is(file, monkeypatch):
    secrets = [tokens.add(file, f"shop-{number}", Scope.INGEST, now=NOW) for number in range(5)]
    found = tokens.read(file)
    compared = []
    real = tokens.hmac.compare_digest
    monkeypatch.setattr(tokens.hmac, "compare_digest", lambda *pair: compared.append(pair) or real(*pair))
    for secret in (secrets[0], secrets[4], "wrong"):
        compared.clear()
        tokens.owner(found, secret, Scope.INGEST)
        assert len(compared) == 5


def test_rotation_is_add_switch_revoke(file):
    old = tokens.add(file, "shop", Scope.INGEST, now=NOW)
    with pytest.raises(TokensError, match="already; to replace it, add one under a new name"):
        tokens.add(file, "shop", Scope.INGEST, now=NOW)
    new = tokens.add(file, "shop-2", Scope.INGEST, now=NOW)
    assert [tokens.owner(tokens.read(file), secret, Scope.INGEST) for secret in (old, new)] == ["shop", "shop-2"]
    assert tokens.revoke(file, "shop").name == "shop"
    assert [tokens.owner(tokens.read(file), secret, Scope.INGEST) for secret in (old, new)] == [None, "shop-2"]
    with pytest.raises(TokensError, match="no token named 'shop'; it has: shop-2"):
        tokens.revoke(file, "shop")


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "é", "x" * 64, "a\n"])
def test_names_are_plain(file, name):
    with pytest.raises(TokensError, match="is no name for a token"):
        tokens.add(file, name, Scope.INGEST, now=NOW)
    assert not file.exists()


def test_a_change_is_on_the_disk_before_it_is_told_so_that_no_token_comes_back(file, monkeypatch):
    tokens.add(file, "shop", Scope.INGEST, now=NOW)
    synced = []

    def fsync(descriptor):
        names = [token.name for token in tokens.read(file)]
        synced.append(("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file", names))

    monkeypatch.setattr(tokens.os, "fsync", fsync)
    tokens.revoke(file, "shop")
    assert synced == [("file", ["shop"]), ("folder", [])]


def test_what_is_added_at_once_is_all_there(file):
    threads = [
        threading.Thread(target=tokens.add, args=(file, f"shop-{number}", Scope.INGEST), kwargs={"now": NOW})
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens.read(file)) == 20


GOOD = {"name": "shop", "scope": "ingest", "sha256": "0" * 64, "created": ""}
MALFORMED = {
    "no json": "{",
    "no object": "[]",
    "no list": '{"tokens": {}}',
    "no token": '{"tokens": [1]}',
    "no hash": json.dumps({"tokens": [GOOD | {"sha256": "secret"}]}),
    "no scope": json.dumps({"tokens": [GOOD | {"scope": "everything"}]}),
    "name twice": json.dumps({"tokens": [GOOD, GOOD]}),
    "no utf-8": b"\xff",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_a_file_that_is_none_of_ours_is_refused_and_left_alone(file, text):
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = file.read_bytes()
    for use in (tokens.read, lambda path: tokens.add(path, "shop", Scope.INGEST, now=NOW)):
        with pytest.raises(TokensError, match=r"tokens\.json cannot be read"):
            use(file)
    assert file.read_bytes() == before


def test_a_missing_file_or_folder_is_told_with_its_mend(file):
    with pytest.raises(TokensError, match="maibo token add NAME --scope ingest --file"):
        tokens.read(file)
    with pytest.raises(TokensError, match="folder"):
        tokens.add(file / "no" / "tokens.json", "shop", Scope.INGEST, now=NOW)


def test_changes_are_seen_within_a_second_and_not_looked_for_more_often(file):
    first = tokens.add(file, "shop", Scope.INGEST, now=NOW)
    followed = TokenFile(file, now=0)
    second = tokens.add(file, "shop-2", Scope.INGEST, now=NOW)
    assert followed.owner(second, Scope.INGEST, now=0.9) is None
    assert followed.owner(second, Scope.INGEST, now=1.0) == "shop-2"
    tokens.revoke(file, "shop")
    assert followed.owner(first, Scope.INGEST, now=1.9) == "shop"
    assert followed.owner(first, Scope.INGEST, now=2.0) is None


def test_a_file_that_breaks_or_goes_leaves_those_read_last_in_force(file, caplog):
    secret = tokens.add(file, "shop", Scope.INGEST, now=NOW)
    followed = TokenFile(file, now=0)
    file.write_text("{")
    for now in (1, 2, 3):
        assert followed.owner(secret, Scope.INGEST, now=now) == "shop"
    assert caplog.text.count("the tokens read before stay in force") == 1
    file.unlink()
    assert followed.owner(secret, Scope.INGEST, now=4) == "shop"
    tokens.add(file, "other", Scope.INGEST, now=NOW)
    assert followed.owner(secret, Scope.INGEST, now=5) is None


def test_the_commands_add_list_and_revoke(maibo, file):
    added = maibo("token", "add", "shop", "--scope", "ingest", "--file", file)
    assert added.exit_code == 0
    secret = added.stdout.strip()
    assert tokens.owner(tokens.read(file), secret, Scope.INGEST) == "shop"
    assert secret not in added.stderr
    listed = maibo("token", "list", "--file", file)
    assert "shop" in listed.stdout
    assert "ingest" in listed.stdout
    rows = json.loads(maibo("token", "list", "--file", file, "--output", "json").stdout)
    assert [(row["name"], row["scope"]) for row in rows] == [("shop", "ingest")]
    assert all("sha256" not in row for row in rows)
    assert maibo("token", "revoke", "shop", "--file", file).exit_code == 0
    assert tokens.read(file) == ()


def test_a_command_that_cannot_says_why_in_one_line(maibo, file):
    failed = maibo("token", "list", "--file", file)
    assert failed.exit_code == 1
    assert failed.stderr.startswith("Error: there is no token file")


@pytest.mark.parametrize("scope", ["act", "everything"])
def test_a_token_that_nothing_asks_for_is_not_made(maibo, file, scope):
    failed = maibo("token", "add", "shop", "--scope", scope, "--file", file)
    assert failed.exit_code == 2
    assert f"nothing asks for tokens of scope '{scope}' yet" in failed.stderr
    assert not file.exists()
