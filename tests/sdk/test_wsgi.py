import time
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

import maibo
from maibo.testing import capture
from maibo.wsgi import JourneyMiddleware, Route

ROUTES = {
    "GET /search": Route(journey="search", step="find", begins=True, ends=True),
    "POST /checkout": Route(journey="checkout", step="basket", begins=True),
    "POST /checkout/pay": Route(journey="checkout", step="payment", ends=True),
}


@pytest.fixture(name="captured")
def _captured():
    with capture() as captured:
        yield captured


def outcomes(finished):
    return [(each.name, each.outcome, each.reason) for each in finished]


def call(app, method, path, *, chunks=None, **environ):
    """As a server calls: (status, headers, body); only so many chunks when the client leaves."""
    environ |= {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path}
    setup_testing_defaults(environ)
    environ.setdefault("QUERY_STRING", "")
    started = []
    body = app(environ, lambda status, headers, exc_info=None: started.append((status, headers)) or (lambda data: None))
    got = []
    try:
        for chunk in body:
            got.append(chunk)
            if len(got) == chunks:
                break
    finally:
        if hasattr(body, "close"):
            body.close()
    return started[-1][0], dict(started[-1][1]), b"".join(got)


def answering(status="200 OK"):
    def app(environ, start_response):
        start_response(status, [("Content-Type", "text/plain")])

        def body():
            with maibo.step("inside"):
                yield maibo.current().name.encode()
            assert maibo.current()
            yield b"."

        return body()

    return app


def test_requests_are_steps_and_the_body_is_part_of_them(captured):
    app = validator(JourneyMiddleware(validator(answering()), routes=ROUTES))
    status, headers, body = call(app, "GET", "/search")
    assert (status, body) == ("200 OK", b"search.")
    assert "Set-Cookie" not in headers
    assert outcomes(captured.steps) == [("inside", "success", ""), ("find", "success", "")]
    assert outcomes(captured.journeys) == [("search", "success", "")]
    assert not maibo.current()


def test_between_two_chunks_nothing_is_current(captured):
    seen = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/search"}
    setup_testing_defaults(environ)
    body = JourneyMiddleware(answering(), routes=ROUTES)(environ, lambda *_: lambda data: None)
    for _ in body:
        seen.append(bool(maibo.current()))
    assert captured.journeys == [], "the server has not closed the body yet"
    body.close()
    body.close()
    assert seen == [False, False]
    assert len(captured.journeys) == 1


def test_a_journey_of_several_requests_travels_in_a_cookie(captured):
    app = JourneyMiddleware(answering(), routes=ROUTES)
    _, headers, _ = call(app, "POST", "/checkout")
    cookie = headers["Set-Cookie"].partition(";")[0]
    _, headers, _ = call(app, "POST", "/checkout/pay", HTTP_COOKIE=cookie)
    assert headers["Set-Cookie"].startswith("maibo-journey=; Max-Age=0")
    assert outcomes(captured.journeys) == [("checkout", "success", "")]


def test_failures(captured):
    def broken(environ, start_response):
        raise ValueError

    def breaking(environ, start_response):
        start_response("200 OK", [])
        yield b"x"
        raise KeyError

    call(JourneyMiddleware(answering("503 Service Unavailable"), routes=ROUTES), "GET", "/search")
    with pytest.raises(ValueError):
        call(JourneyMiddleware(broken, routes=ROUTES), "GET", "/search")
    with pytest.raises(KeyError):
        call(JourneyMiddleware(breaking, routes=ROUTES), "GET", "/search")
    call(JourneyMiddleware(answering(), routes=ROUTES), "GET", "/search", chunks=1)
    assert [journey.outcome + journey.reason for journey in captured.journeys] == [
        "failurehttp_503",
        "failureValueError",
        "failureKeyError",
        "abandoned",
    ]


def test_a_service_in_the_middle_adds_its_steps_and_nothing_else(captured):
    header = maibo.begin("checkout").carrier()["baggage"]
    _, headers, _ = call(
        JourneyMiddleware(answering(), routes={"POST /charge": Route(step="charge")}),
        "POST",
        "/charge",
        HTTP_BAGGAGE=header,
    )
    assert "Set-Cookie" not in headers
    assert [step.name for step in captured.steps] == ["inside", "charge"]
    assert captured.journeys == []


@pytest.mark.parametrize(
    ("secure_cookie", "scheme", "secure"),
    [(None, "http", False), (None, "https", True), (True, "http", True), (False, "https", False)],
)
def test_behind_a_proxy_that_ends_tls_the_cookie_is_as_secure_as_one_says(captured, secure_cookie, scheme, secure):
    app = JourneyMiddleware(answering(), routes=ROUTES, secure_cookie=secure_cookie)
    environ = {"wsgi.url_scheme": scheme, "HTTP_X_FORWARDED_PROTO": "https"}
    _, headers, _ = call(app, "POST", "/checkout", **environ)
    assert headers["Set-Cookie"].endswith("; Secure") == secure


@pytest.mark.parametrize("tracing", ["none", "outside", "inside"])
@pytest.mark.parametrize("path", ["/checkout", "/elsewhere"])
def test_an_edge_lets_no_journey_of_a_strangers_through(captured, tracing, path):
    from opentelemetry import context as otel
    from opentelemetry import propagate

    seen = []

    def traced(app):
        """What an instrumentation does: the context of the headers, around the app and its body."""

        def tracing_app(environ, start_response):
            token = otel.attach(propagate.extract({"baggage": environ.get("HTTP_BAGGAGE", "")}))
            body = app(environ, start_response)
            try:
                yield from body
            finally:
                if hasattr(body, "close"):
                    body.close()
                otel.detach(token)

        return tracing_app

    def handler(environ, start_response):
        def look():
            seen.append((maibo.current().name, environ["HTTP_BAGGAGE"], str(maibo.inject(propagated()))))

        start_response("200 OK", [])
        look()

        def body():
            look()
            yield b"."

        return body()

    def propagated():
        headers: dict[str, str] = {}
        propagate.inject(headers)
        return headers

    app = JourneyMiddleware(traced(handler) if tracing == "inside" else handler, routes=ROUTES, trust_baggage=False)
    forged = f"journey.ctx=forged%3A{'a' * 32}%3A{time.time_ns() // 1000},theirs=1,journey%2Etier=vip"
    call(traced(app) if tracing == "outside" else app, "POST", path, HTTP_BAGGAGE=forged)
    assert len(seen) == 2
    for journey, header, out in seen:
        assert journey == ("checkout" if path == "/checkout" else "")
        assert header == "theirs=1"
        assert "forged" not in out
        assert ("theirs=1" in out) == (tracing != "none"), "everybody else's baggage goes on"
    assert [step.journey for step in captured.steps] == (["checkout"] if path == "/checkout" else [])


def test_an_error_of_our_own_never_reaches_the_customer(captured, monkeypatch):
    from maibo import wsgi

    def broken(*_, **__):
        raise RuntimeError

    app = JourneyMiddleware(lambda environ, start: (start("200 OK", []), [b"x"])[1], routes=ROUTES)
    monkeypatch.setattr(wsgi, "visit", broken)
    assert call(app, "GET", "/search")[2] == b"x"
    assert maibo.stats().internal_errors == 1
