"""Who is refused, and who cannot be reached: what the token is kept from, what passes and is waited for."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme
from tests.dashboards.push.contract import TOKEN, Contract, Fault, Served, dashboard, panel, push, serve

from maibo_dashboards.errors import GrafanaError, NotAllowed, Unreachable
from maibo_dashboards.outputs import grafana as client

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_passes_is_waited_for(there: Served, grafana: client.Grafana, pauses: list[float], status: int) -> None:
    there.contract.faults = [Fault("GET", "/api/dashboards", status), Fault("POST", "/api/dashboards", status)]
    assert [one.result for one in push(grafana)] == ["new"]
    assert pauses == [0.5, 0.5]


def test_a_write_that_was_taken_without_an_answer_is_not_written_twice(
    there: Served, grafana: client.Grafana, pauses: list[float]
) -> None:
    there.contract.faults = [Fault("POST", "/api/dashboards/db", 504, takes=True)]
    [one] = push(grafana)
    assert (one.result, one.url) == ("new", "/d/maibo-small/slug")
    assert there.contract.dashboards["maibo-small"]["version"] == 1
    assert pauses == [0.5]


def test_a_folder_that_was_made_without_an_answer_is_not_made_twice(there: Served, grafana: client.Grafana) -> None:
    there.contract.faults = [Fault("POST", "/api/folders", 504, takes=True)]
    assert [one.result for one in push(grafana)] == ["new"]
    assert there.contract.folders == {"maibo": "maibo"}


def test_grafana_says_how_long_it_wants_to_be_left_alone_within_reason(
    there: Served, grafana: client.Grafana, pauses: list[float]
) -> None:
    there.contract.faults = [Fault("GET", "/api/folders", 429, headers={"Retry-After": told}) for told in ("7", "999")]
    push(grafana)
    assert pauses == [7.0, client.LONGEST_PAUSE_SECONDS]


def test_what_does_not_pass_ends_it_after_three_times(there: Served, grafana: client.Grafana) -> None:
    there.contract.faults = [Fault("GET", "/api/folders", 503, {"message": "starting"}) for _ in range(5)]
    with pytest.raises(Unreachable, match="answered 503, asked to read folders: starting"):
        push(grafana)
    assert len(there.contract.requests) == 3


def test_a_server_that_does_not_answer_is_given_up(
    there: Served, grafana: client.Grafana, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "DEADLINE_SECONDS", 0.05)
    there.contract.hang.clear()
    with pytest.raises(Unreachable, match=r"did not answer within 0.05 s, asked to read folders"):
        push(grafana)
    assert pauses == list(client.PAUSES_SECONDS)


def test_nobody_there_is_told_at_once(pauses: list[float]) -> None:
    with pytest.raises(Unreachable, match="cannot be reached: ConnectError: Connection refused; is --url right"):
        push(client.Grafana("http://127.0.0.1:9", TOKEN, pause=pauses.append))
    assert pauses == []


def test_a_token_that_is_not_known_ends_it(there: Served) -> None:
    with pytest.raises(NotAllowed, match=r"does not know the token \(401: Invalid API key\)"):
        push(client.Grafana(there.url, "glsa_other"))
    assert len(there.contract.requests) == 1


def test_a_token_without_the_right_is_told_which(there: Served, grafana: client.Grafana) -> None:
    needed = "You'll need additional permissions to perform this action. Permissions needed: dashboards:write"
    there.contract.faults = [Fault("POST", "/api/dashboards/db", 403, {"message": needed})]
    with pytest.raises(NotAllowed, match=r"let the token write the dashboard maibo-small \(403: .*dashboards:write\)"):
        push(grafana)


def test_a_dashboard_that_is_not_there_is_made_though_grafana_10_forbids_to_look(
    there: Served, grafana: client.Grafana
) -> None:
    there.contract.hidden = {"maibo-small"}
    assert [one.result for one in push(grafana)] == ["new"]
    assert there.contract.dashboards["maibo-small"]["version"] == 1


def test_a_dashboard_that_may_not_be_read_is_not_overwritten(there: Served, grafana: client.Grafana) -> None:
    push(grafana)
    there.contract.hidden = {"maibo-small"}
    [one] = push(grafana, dashboard(panel("Rate", sql="SELECT 2")))
    assert one.result == "failed"
    assert "it is there" in one.why
    assert "the role Editor" in one.why
    assert there.contract.dashboards["maibo-small"]["version"] == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_token_goes_to_no_other_address(there: Served, grafana: client.Grafana, status: int) -> None:
    elsewhere = Contract()
    server, url = serve(elsewhere)
    there.contract.faults = [Fault("GET", "/api", status, headers={"Location": f"{url}/login?next=secret"})]
    with pytest.raises(GrafanaError, match=rf"a redirect to {url}/login; the token is sent to no other") as caught:
        push(grafana)
    server.shutdown()
    server.server_close()
    assert "secret" not in str(caught.value)
    assert elsewhere.requests == []


def test_no_error_repeats_the_token(there: Served, grafana: client.Grafana) -> None:
    echo = {"message": f"bad request: Bearer {TOKEN}\x1b[2J"}
    there.contract.faults = [Fault("POST", "/api/dashboards/db", 400, echo)]
    [one] = push(grafana)
    assert one.why.endswith("answered 400, asked to write the dashboard maibo-small: bad request: Bearer ***\ufffd[2J")
    assert TOKEN not in one.why
    assert one.why.isprintable()


def test_what_is_no_grafana_is_told(there: Served, grafana: client.Grafana) -> None:
    there.contract.faults = [Fault("GET", "/api/folders", 200, b"<html>")]
    with pytest.raises(GrafanaError, match="answered 200 and no JSON, asked to read folders; is this a Grafana"):
        push(grafana)


def test_an_address_beside_grafana_is_told(there: Served, pauses: list[float]) -> None:
    with pytest.raises(GrafanaError, match="answered 404, asked to read folders; is this a Grafana, from 10 on"):
        push(client.Grafana(f"{there.url}/elsewhere", TOKEN, pause=pauses.append))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://grafana.example", "readable for everybody on the way; use https://, or say --plain-http"),
        ("grafana.example", "should be like https://grafana.example"),
        ("https://grafana.example/?orgId=1", "should be like"),
        ("ftp://grafana.example", "should be like"),
        ("https://admin:admin@grafana.example", "names a user; give a service account's token"),
        ("https://grafana.example:x", "is no address"),
    ],
)
def test_an_address_that_a_token_must_not_go_to_is_refused(url: str, told: str) -> None:
    with pytest.raises(GrafanaError, match=told):
        client.checked_url(url, plain_http=False)


@pytest.mark.parametrize(
    "url", ["https://grafana.example/grafana", "http://127.0.0.1:3000", "http://[::1]:3000", "http://localhost:3000"]
)
def test_an_address_that_others_cannot_read_is_taken(url: str) -> None:
    assert client.checked_url(url, plain_http=False) == url


def test_who_says_so_may_send_the_token_unencrypted() -> None:
    assert client.checked_url("http://grafana.example", plain_http=True)


def test_a_grafana_of_an_unknown_authority_never_sees_the_token(tmp_path: Path, pauses: list[float]) -> None:
    authority, contract = trustme.CA(), Contract()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    server, url = serve(contract, tls)
    known = client.Grafana(url, TOKEN, tls=client.tls_of(tmp_path / "ca.pem"), pause=pauses.append)
    assert [one.result for one in push(known)] == ["new"]
    contract.tokens.clear()
    with pytest.raises(Unreachable, match="cannot be reached: ConnectError: unable to get local issuer certificate"):
        push(client.Grafana(url, TOKEN, pause=pauses.append))
    server.shutdown()
    server.server_close()
    assert contract.tokens == set()


def test_an_authority_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(GrafanaError, match=r"--ca .*ca.pem: not usable for TLS"):
        client.tls_of(tmp_path / "ca.pem")
