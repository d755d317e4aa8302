"""What the page for service teams shows can be copied and run."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

import maibo
from maibo import runtime
from maibo.testing import capture

PAGE = (Path(__file__).parents[2] / "docs" / "service-team.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run(shows: str, **given: object) -> dict:
    """The one block that shows this, run with the names that a reader has."""
    (block,) = (block for block in BLOCKS if shows in block)
    names = dict(given)
    exec(compile(block, "service-team.md", "exec"), names)
    return names


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_python(block):
    compile(block, "service-team.md", "exec")


def test_the_three_lines_send_a_journey_with_its_step(receiver, monkeypatch):
    monkeypatch.setenv("MAIBO_ENDPOINT", receiver.url)
    run("import maibo\n\nmaibo.configure", charge=lambda: None)
    assert maibo.flush()
    assert [span.name for span in receiver.spans] == ["step payment", "journey checkout"]


def test_the_test_it_shows_passes_behind_the_middleware_it_shows():
    app = FastAPI()

    @app.post("/checkout")
    def checkout():
        return {}

    @app.post("/checkout/pay/{what}")
    def pay(what: str):
        maibo.current().fail(f"card_{what}")
        raise HTTPException(402)

    run("from maibo.asgi import", app=app)
    example = run("from maibo.testing import")["test_a_declined_card_fails_the_checkout"]
    with TestClient(app) as client:
        example(client)


def test_the_wsgi_middleware_it_shows_counts_a_journey():
    def shop(environ, start_response):
        start_response("200 OK", [])
        return [b"found"]

    app = SimpleNamespace(wsgi_app=shop)
    run("from maibo.wsgi import", app=app)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/search", "wsgi.url_scheme": "http"}
    with capture() as captured:
        body = app.wsgi_app(environ, lambda *_: None)
        assert list(body) == [b"found"]
        body.close()
    assert [(each.name, each.outcome) for each in captured.journeys] == [("search", "success")]
    assert [each.name for each in captured.steps] == ["search"]
    assert runtime.active is None


def test_it_does_not_ask_for_a_package_that_is_not_published():
    assert "pip install maibo" not in PAGE
