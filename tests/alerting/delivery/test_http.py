"""One request: bounded, never redirected, silent about secrets."""

from __future__ import annotations

import time

import pytest

from maibo_alerting.delivery import http
from maibo_alerting.delivery.destination import DeliveryError, Secrets
from maibo_alerting.delivery.http import Credentials, checked_url, post_json

KEY = "T0123456789-very-secret"


def refused(server, answer, path: str = "/") -> DeliveryError:
    server.answers.append(answer)
    with pytest.raises(DeliveryError) as caught:
        post_json(server.url + path, {})
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_is_any_2xx(server, status) -> None:
    server.answers.append((status, {}, b""))
    assert post_json(server.url, {"a": "路"}).status == status
    assert server.said[0].json == {"a": "路"}


@pytest.mark.parametrize(
    ("status", "retry"),
    [
        (500, True),
        (502, True),
        (503, True),
        (429, True),
        (408, True),
        (400, False),
        (401, False),
        (404, False),
        (301, False),
    ],
)
def test_what_may_be_tried_again_is_told_by_the_status(server, status, retry) -> None:
    assert refused(server, (status, {}, b"")).retry is retry


def test_retry_after_is_told_in_seconds(server) -> None:
    assert refused(server, (429, {"Retry-After": "7"}, b"")).retry_after_seconds == 7


def test_retry_after_as_a_date_is_relative_to_the_answers_own_clock(server) -> None:
    error = refused(server, (503, {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}, b""))
    assert error.retry_after_seconds == http.LONGEST_RETRY_AFTER_SECONDS
    assert refused(server, (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"")).retry_after_seconds == 0


@pytest.mark.parametrize("said", ["", "soon", "-5", "1e9", "²"])
def test_a_retry_after_that_says_nothing_is_none(server, said) -> None:
    assert refused(server, (503, {"Retry-After": said.encode().decode("latin-1")}, b"")).retry_after_seconds is None


def test_a_redirect_is_not_followed(server) -> None:
    error = refused(server, (307, {"Location": f"{server.url}/elsewhere"}, b""))
    assert "redirects are not followed" in str(error)
    assert [said.path for said in server.said] == ["/"]


def test_a_cut_connection_may_be_tried_again(server) -> None:
    assert refused(server, "cut").retry


def test_nobody_listening_may_be_tried_again_and_says_why() -> None:
    with pytest.raises(DeliveryError, match=r"http://127\.0\.0\.1:1 cannot be reached: ConnectError") as caught:
        post_json(f"http://127.0.0.1:1/{KEY}", {})
    assert caught.value.retry


def test_a_server_that_drips_is_left_at_the_deadline(server, monkeypatch) -> None:
    monkeypatch.setattr(http, "DEADLINE_SECONDS", 0.3)
    began = time.monotonic()
    assert refused(server, "drip").retry
    assert time.monotonic() - began < 3


def test_an_answer_without_end_is_read_up_to_a_bound(server) -> None:
    assert len(str(refused(server, (500, {}, b"x" * 1_000_000)))) < 400


@pytest.mark.parametrize("answer", [(400, {}, KEY.encode()), (500, {}, f"no token {KEY}".encode()), "cut"])
def test_no_error_tells_the_key_of_an_address(server, answer) -> None:
    error = refused(server, answer, f"/services/{KEY}?token={KEY}")
    assert KEY not in str(error)
    assert KEY not in repr(error)
    assert error.__cause__ is None


def test_an_answer_cannot_move_the_terminal(server) -> None:
    assert str(refused(server, (400, {}, b"\x1b[2Jgone"))).endswith("\ufffd[2Jgone")


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        5,
        "ftp://x",
        "file:///etc/passwd",
        "http://",
        "http://a:b@c/",
        "http://x:99999/",
        "http://[",
        "http://a b/",
    ],
)
def test_an_address_that_is_none_is_refused(url) -> None:
    with pytest.raises(DeliveryError) as caught:
        checked_url(url)
    assert not caught.value.retry


def test_environment_variables_are_no_way_around_the_configuration(server, monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert post_json(server.url, {}).status == 200


def test_a_rotated_secret_is_used_at_once(tmp_path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    credentials = Credentials({"bearer_file": str(file)}, Secrets({}))
    assert credentials.headers() == {"Authorization": "Bearer first"}
    file.write_text("second")
    assert credentials.headers() == {"Authorization": "Bearer second"}
    file.unlink()
    with pytest.raises(DeliveryError) as caught:
        credentials.headers()
    assert caught.value.retry


def test_a_user_and_password_are_basic() -> None:
    credentials = Credentials({"username": "maibo", "password_env": "P"}, Secrets({"P": "pä:ss"}))
    assert credentials.headers() == {"Authorization": "Basic bWFpYm86cMOkOnNz"}
    assert "pä:ss" not in repr(credentials)


@pytest.mark.parametrize(
    "settings",
    [
        {"username": "u"},
        {"username": "u", "password_env": "P", "bearer_env": "P"},
        {"bearer_env": "MISSING"},
        {"bearer_env": "P", "bearer_file": "x"},
        {"key_file": "k"},
        {"ca_file": "/does/not/exist"},
    ],
)
def test_credentials_that_do_not_fit_together_are_refused_at_the_start(settings) -> None:
    with pytest.raises(DeliveryError):
        Credentials(settings, Secrets({"P": "p"})).check()


def test_tls_trusts_the_given_authority_alone(tmp_path) -> None:
    import http.server
    import ssl
    import threading

    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that trusts us not is meant."""

    with Quiet(("127.0.0.1", 0), Handler) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            url = f"https://127.0.0.1:{listening.server_address[1]}"
            tls = Credentials({"ca_file": str(tmp_path / "ca.pem")}, Secrets({})).tls()
            assert post_json(url, {}, tls=tls).status == 200
            with pytest.raises(DeliveryError, match=r"unable to get local issuer certificate|self-signed") as caught:
                post_json(url, {})
            assert caught.value.retry
        finally:
            listening.shutdown()
            thread.join()


def test_answers_are_asked_for_uncompressed(server) -> None:
    post_json(server.url, {})
    (said,) = server.said
    assert {name.lower(): text for name, text in said.headers.items()}["accept-encoding"] == "identity"
