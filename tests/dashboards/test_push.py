"""`maibo dashboards push` against a server that speaks Grafana's API: what it stores, counts, and refuses."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from click.testing import CliRunner

from maibo_dashboards import boards
from maibo_dashboards.errors import GrafanaError, NotAllowed, Unreachable
from maibo_dashboards.outputs import grafana as client
from maibo_dashboards.outputs import pushing
from maibo_dashboards.outputs.differences import differences
from maibo_dashboards.outputs.files import documents as made_of
from maibo_slo.cli import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from maibo_dashboards.outputs.pushing import Pushed
    from maibo_slo.documents import Catalogue

TOKEN = "glsa_0123456789abcdef"


@dataclass
class Fault:
    """An answer instead of the real one, once."""

    method: str
    path: str
    status: int
    said: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    takes: bool = False
    """Whether the request is done all the same."""


class Contract:
    """Folders and dashboards as Grafana 10 to 13 keep them: it counts ids and versions, and takes no write of an older version."""

    def __init__(self) -> None:
        self.folders: dict[str, str] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.places: dict[str, str] = {}
        self.provisioned: dict[str, str] = {}
        self.requests: list[tuple[str, str]] = []
        self.hidden: set[str] = set()
        """Dashboards of which an Editor is told 403: in Grafana 10, those too that are not there."""
        self.tokens: set[str] = set()
        self.messages: list[str] = []
        self.faults: list[Fault] = []
        self.before_write: list[Callable[[], None]] = []
        self.hang = threading.Event()
        self.hang.set()

    @property
    def writes(self) -> list[str]:
        return [path for method, path in self.requests if method == "POST"]

    def answer(self, method: str, path: str, token: str, said: Any) -> tuple[int, dict[str, str], Any]:
        self.requests.append((method, path))
        self.tokens.add(token)
        self.hang.wait(5)
        fault = next((one for one in self.faults if one.method == method and path.startswith(one.path)), None)
        if fault is not None:
            self.faults.remove(fault)
            if fault.takes:
                self._done(method, path, said)
            return fault.status, fault.headers, fault.said
        if token != f"Bearer {TOKEN}":
            return 401, {}, {"message": "Invalid API key"}
        status, told = self._done(method, path, said)
        return status, {}, told

    def _done(self, method: str, path: str, said: Any) -> tuple[int, Any]:
        parts = urlsplit(path)
        match method, parts.path.strip("/").split("/"):
            case "GET", ["api", "folders"]:
                query = parse_qs(parts.query)
                limit, page = int(query["limit"][0]), int(query["page"][0])
                there = [{"uid": uid, "title": title} for uid, title in self.folders.items()]
                return 200, there[(page - 1) * limit : page * limit]
            case "GET", ["api", "folders", uid]:
                if uid not in self.folders:
                    return 404, {"message": "folder not found", "status": "not-found"}
                return 200, {"uid": uid, "title": self.folders[uid]}
            case "POST", ["api", "folders"]:
                if said["uid"] in self.folders:
                    return 409, {"message": "a folder/dashboard with the same uid already exists"}
                self.folders[said["uid"]] = said["title"]
                return 200, {"uid": said["uid"], "title": said["title"], "version": 1}
            case "GET", ["api", "dashboards", "uid", uid]:
                return self._read(uid)
            case "POST", ["api", "dashboards", "db"]:
                return self._write(said)
        return 404, {"message": "Not found"}

    def _read(self, uid: str) -> tuple[int, Any]:
        if uid in self.hidden:
            return 403, {"message": "You'll need additional permissions. Permissions needed: dashboards:read"}
        if uid not in self.dashboards:
            return 404, {"message": "Dashboard not found", "status": "not-found"}
        place = self.places[uid]
        meta = {
            "url": f"/d/{uid}/slug",
            "folderUid": place,
            "folderTitle": self.folders.get(place, "General"),
            "provisioned": uid in self.provisioned,
            "provisionedExternalId": self.provisioned.get(uid, ""),
        }
        return 200, {"dashboard": self.dashboards[uid], "meta": meta}

    def _write(self, said: Any) -> tuple[int, Any]:
        while self.before_write:
            self.before_write.pop()()
        document = said["dashboard"]
        uid, there = document["uid"], self.dashboards.get(document["uid"])
        if uid in self.provisioned:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if said["folderUid"] and said["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        if there is not None and document.get("version") != there["version"] and not said["overwrite"]:
            message = "The dashboard has been changed by someone else"
            return 412, {"status": "version-mismatch", "message": message}
        version = 1 if there is None else there["version"] + 1
        number = len(self.dashboards) + 1 if there is None else there["id"]
        self.dashboards[uid] = {**document, "id": number, "version": version}
        self.places[uid] = said["folderUid"]
        self.messages.append(said["message"])
        return 200, {"status": "success", "uid": uid, "url": f"/d/{uid}/slug", "version": version, "id": number}


@dataclass
class Served:
    """A contract, where it listens."""

    contract: Contract
    url: str


def serve(contract: Contract, tls: ssl.SSLContext | None = None) -> tuple[ThreadingHTTPServer, str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            said = json.loads(self.rfile.read(length)) if length else None
            token = self.headers.get("Authorization", "")
            status, headers, body = contract.answer(self.command, self.path, token, said)
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            with suppress(ConnectionError):  # from those who did not wait for it
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- http.server's signature
            """Nothing: the tests ask the contract."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server, f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"


@pytest.fixture
def there() -> Iterator[Served]:
    contract = Contract()
    server, url = serve(contract)
    yield Served(contract, url)
    contract.hang.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def pauses() -> list[float]:
    """How long was waited, instead of waiting."""
    return []


@pytest.fixture
def grafana(there: Served, pauses: list[float]) -> client.Grafana:
    return client.Grafana(there.url, TOKEN, pause=pauses.append)


def panel(title: str, sql: str = "SELECT 1", **more: Any) -> dict[str, Any]:
    return {"type": "stat", "title": title, "targets": [{"refId": "A", "rawSql": sql}], **more}


def dashboard(*panels: dict[str, Any], uid: str = "maibo-small", **more: Any) -> dict[str, Any]:
    numbered = [{**each, "id": number} for number, each in enumerate(panels, 1)]
    return {"uid": uid, "title": "Small", "editable": False, "version": 0, "panels": numbered, **more}


SMALL = dashboard(panel("Rate"), panel("P99"))


def push(grafana: client.Grafana, *documents: dict[str, Any], dry_run: bool = False) -> list[Pushed]:
    place = pushing.folder(grafana, "maibo", dry_run=dry_run)
    return [*pushing.push(grafana, documents or (SMALL,), place, dry_run=dry_run)]


# --- what is written, and what is not


def test_what_is_not_there_is_made_with_its_folder(grafana: client.Grafana, there: Served) -> None:
    [one] = push(grafana)
    assert (one.result, one.differences, one.url) == ("new", ("2 panels",), "/d/maibo-small/slug")
    assert there.contract.folders == {"maibo": "maibo"}
    assert there.contract.places == {"maibo-small": "maibo"}
    assert there.contract.messages == ["maibo dashboards push"]
    assert there.contract.tokens == {f"Bearer {TOKEN}"}


def test_what_is_unchanged_is_not_written(grafana: client.Grafana, there: Served) -> None:
    push(grafana)
    there.contract.requests.clear()
    [one] = push(grafana)
    assert one.result == "unchanged"
    assert there.contract.writes == []
    assert there.contract.dashboards["maibo-small"]["version"] == 1


def test_the_real_dashboards_are_written_once(there: Served, catalogue: Catalogue) -> None:
    grafana = client.Grafana(there.url, TOKEN)
    real = [document for _, document in made_of(catalogue, "clickhouse")]
    assert {one.result for one in push(grafana, *real)} == {"new"}
    assert {one.result for one in push(grafana, *real)} == {"unchanged"}
    assert {document["version"] for document in there.contract.dashboards.values()} == {1}


def test_what_grafana_adds_is_no_change_but_what_people_do_is(grafana: client.Grafana, there: Served) -> None:
    ours = dashboard(panel("Rate", thresholds=[{"color": "green", "value": None}]), panel("P99"))
    push(grafana, ours)
    kept = there.contract.dashboards["maibo-small"]
    kept |= {"weekStart": "", "tags": [], "preload": False, "gnetId": None}
    kept["panels"][0]["transparent"] = False
    del kept["panels"][0]["thresholds"][0]["value"]
    assert [one.result for one in push(grafana, ours)] == ["unchanged"]
    kept["editable"] = True
    kept["panels"][0]["maxDataPoints"] = 7
    [one] = push(grafana, ours)
    assert one.result == "changed"
    assert one.differences == ("editable: true -> false", '~ panel "Rate"', "    maxDataPoints: 7 -> nothing")
    assert there.contract.dashboards["maibo-small"]["editable"] is False
    assert [each.result for each in push(grafana, ours)] == ["unchanged"]


def test_a_dry_run_writes_nothing_and_tells_all(grafana: client.Grafana, there: Served) -> None:
    assert [one.result for one in push(grafana, dry_run=True)] == ["new"]
    assert (there.contract.writes, there.contract.folders) == ([], {})
    push(grafana)
    there.contract.requests.clear()
    [one] = push(grafana, dashboard(panel("Rate")), dry_run=True)
    assert (one.result, one.differences) == ("changed", ('- panel "P99"',))
    assert there.contract.writes == []


# --- the folder


def test_a_folder_of_this_name_is_taken_whatever_its_uid(grafana: client.Grafana, there: Served) -> None:
    there.contract.folders = {"abc": "maibo", "def": "other"}
    push(grafana)
    assert there.contract.places == {"maibo-small": "abc"}
    assert len(there.contract.folders) == 2


def test_our_folder_stays_ours_when_it_is_renamed(grafana: client.Grafana, there: Served) -> None:
    there.contract.folders = {"abc": "maibo", "maibo": "Observability"}
    push(grafana)
    assert there.contract.places == {"maibo-small": "maibo"}


def test_two_folders_of_this_name_are_not_guessed_between(grafana: client.Grafana, there: Served) -> None:
    there.contract.folders = {"abc": "maibo", "def": "maibo"}
    with pytest.raises(GrafanaError, match="2 folders called 'maibo'; choose another with --folder"):
        push(grafana)


def test_all_pages_of_folders_are_read(grafana: client.Grafana, there: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "PAGE", 2)
    there.contract.folders = {f"f{number}": f"Folder {number}" for number in range(4)} | {"last": "maibo"}
    push(grafana)
    assert there.contract.places == {"maibo-small": "last"}


def test_a_dashboard_is_moved_into_the_folder(grafana: client.Grafana, there: Served) -> None:
    [first] = pushing.push(grafana, [SMALL], pushing.Folder("", ""), dry_run=False)
    assert first.result == "new"
    assert there.contract.places == {"maibo-small": ""}
    [one] = push(grafana)
    assert (one.result, one.differences) == ("changed", ("folder: 'none' -> 'maibo'",))
    assert there.contract.places == {"maibo-small": "maibo"}


def test_a_folder_that_was_moved_below_another_is_found(grafana: client.Grafana, there: Served) -> None:
    there.contract.folders = {"maibo": "maibo"}
    there.contract.faults = [Fault("GET", "/api/folders?", 200, [])]
    [one] = push(grafana)
    assert (one.result, there.contract.places) == ("new", {"maibo-small": "maibo"})


# --- others, at the same time


def test_who_saves_in_between_is_not_overwritten_unseen(grafana: client.Grafana, there: Served) -> None:
    push(grafana)
    kept = there.contract.dashboards["maibo-small"]
    wanted = dashboard(panel("Rate", sql="SELECT 2"))
    there.contract.before_write = [lambda: kept.update(version=7, title="Mine")]
    [one] = push(grafana, wanted)
    assert one.result == "changed"
    assert there.contract.dashboards["maibo-small"]["version"] == 8
    assert there.contract.dashboards["maibo-small"]["title"] == "Small"
    reads = [path for method, path in there.contract.requests if (method, "uid" in path) == ("GET", True)]
    assert len(reads) == 3  # the first push, before the write that was refused, and after it


def test_who_saves_for_ever_is_told_of(grafana: client.Grafana, there: Served) -> None:
    push(grafana)
    mismatch = {"status": "version-mismatch", "message": "The dashboard has been changed by someone else"}
    there.contract.faults = [Fault("POST", "/api/dashboards/db", 412, mismatch) for _ in range(pushing.ATTEMPTS)]
    [one] = push(grafana, dashboard(panel("Rate", sql="SELECT 2")))
    assert one.result == "failed"
    assert "somebody else saves it at the same time" in one.why


def test_another_dashboard_of_the_same_name_is_left_alone(grafana: client.Grafana, there: Served) -> None:
    exists = {"status": "name-exists", "message": "A dashboard with the same name in the folder already exists"}
    there.contract.faults = [Fault("POST", "/api/dashboards/db", 412, exists)]
    [one, other] = push(grafana, SMALL, dashboard(panel("Rate"), uid="maibo-other"))
    assert one.result == "failed"
    assert "has another dashboard of that name" in one.why
    assert other.result == "new"


def test_a_provisioned_dashboard_is_told_of_before_anything_is_sent(grafana: client.Grafana, there: Served) -> None:
    push(grafana)
    there.contract.provisioned = {"maibo-small": "maibo/small.json"}
    assert [one.result for one in push(grafana)] == ["unchanged"]
    there.contract.requests.clear()
    [one] = push(grafana, dashboard(panel("Rate", sql="SELECT 2")))
    assert "Grafana reads it from a file (maibo/small.json)" in one.why
    assert there.contract.writes == []


# --- who is refused, and who cannot be reached


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


# --- what is told of a change


def test_a_query_is_told_line_by_line() -> None:
    before, after = "SELECT\n  a\nFROM t\nWHERE x", "SELECT\n  b\nFROM t\nWHERE x"
    told = differences(dashboard(panel("Rate", sql=before)), dashboard(panel("Rate", sql=after)))
    assert told == (
        '~ panel "Rate"',
        "    targets[0].rawSql:",
        "       SELECT",
        "      -  a",
        "      +  b",
        "       FROM t",
    )


def test_a_panel_that_comes_does_not_make_the_others_look_changed() -> None:
    told = differences(dashboard(panel("P99")), dashboard(panel("Rate"), panel("P99")))
    assert told == ('+ panel "Rate"',)


def test_panels_of_one_name_are_told_apart() -> None:
    told = differences(dashboard(panel("A"), panel("A")), dashboard(panel("A"), panel("A", sql="SELECT 2")))
    assert told == ('~ panel "A" (2)', '    targets[0].rawSql: "SELECT 1" -> "SELECT 2"')


def test_variables_annotations_and_settings_are_told() -> None:
    before = dashboard(templating={"list": [{"name": "tier"}]}, annotations={"list": []}, refresh="1m")
    after = dashboard(templating={"list": []}, annotations={"list": [{"name": "Alerts"}]}, refresh="30s", tags=["x"])
    assert differences(before, after) == (
        'refresh: "1m" -> "30s"',
        'tags: nothing -> ["x"]',
        '- variable "tier"',
        '+ annotation "Alerts"',
    )


def test_panels_in_another_order_are_a_change() -> None:
    one, other = panel("A", gridPos={"x": 0}), panel("B", gridPos={"x": 12})
    assert differences(dashboard(one, other), dashboard(other, one)) == ("other places or numbers of panels",)


def test_what_a_terminal_would_obey_is_not_told() -> None:
    told = differences(dashboard(panel("\x1b[2JA\u202e"), **{"\x1b[2J": "\x1b[2J"}), dashboard())
    assert len(told) == 2
    assert all(line.isprintable() for line in told)


# --- the command line


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Documents, of which there is one dashboard."""
    real = boards.every
    monkeypatch.setattr(boards, "every", lambda *told: [*real(*told)][:1])
    path = tmp_path / "service.yaml"
    path.write_text("apiVersion: openslo/v1\nkind: Service\nmetadata: {name: shop}\nspec: {}\n")
    return str(path)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, ["dashboards", "push", *arguments], env=environment)


def test_the_command_tells_what_it_did(there: Served, few: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    arguments = (few, "--url", there.url, "--token-file", str(tmp_path / "token"), "--folder", "Shop")
    dry = run(*arguments, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "would be made" in dry.stdout
    assert there.contract.writes == []
    first = run(*arguments)
    assert first.stdout.splitlines()[1:] == ["+ Journeys (maibo-journeys): new", "1 dashboard: 1 new"]
    assert run(*arguments).stdout.splitlines() == [
        "= Journeys (maibo-journeys): unchanged",
        "1 dashboard: 1 unchanged",
    ]
    there.contract.dashboards["maibo-journeys"]["title"] = "Mine"
    changed = run(*arguments, "--dry-run")
    assert '    title: "Mine" -> "Journeys"\n' in changed.stdout
    assert "(nothing was written)" in changed.stdout


def test_the_token_comes_from_the_environment_or_a_file_and_the_command_line_is_first(
    there: Served, few: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    good, bad = {"MAIBO_GRAFANA_TOKEN": TOKEN}, {"MAIBO_GRAFANA_TOKEN": "glsa_other"}
    file = {"MAIBO_GRAFANA_TOKEN_FILE": str(tmp_path / "token")}
    address = {"MAIBO_GRAFANA_URL": there.url}
    assert run(few, "--dry-run", **address, **good).exit_code == 0
    assert run(few, "--dry-run", **address, **bad, **file).exit_code == 0
    assert run(few, "--dry-run", "--token", TOKEN, **address, **bad).exit_code == 0
    refused = run(few, "--dry-run", **address, **bad)
    assert (refused.exit_code, "does not know the token" in refused.stderr) == (1, True)
    missing = run(few, **address)
    assert missing.exit_code == 2
    assert "--token-file FILE, --token, or MAIBO_GRAFANA_TOKEN" in " ".join(missing.stderr.split())


def test_one_that_fails_fails_the_command(there: Served, few: str) -> None:
    there.contract.faults = [Fault("POST", "/api/dashboards/db", 400, {"message": "uid too long, max 40 characters"})]
    done = run(few, "--url", there.url, "--token", TOKEN)
    assert done.exit_code == 1
    assert "! Journeys (maibo-journeys): " in done.stderr
    assert "uid too long" in done.stderr


def test_programs_read_json(there: Served, few: str) -> None:
    said = json.loads(run(few, "--url", there.url, "--token", TOKEN, "-o", "json").stdout)
    assert said["folder"] == {"title": "maibo", "uid": "maibo", "is_new": True}
    assert [(one["uid"], one["result"]) for one in said["dashboards"]] == [("maibo-journeys", "new")]
