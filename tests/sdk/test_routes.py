import pytest

import maibo
from maibo.routes import Route, Routes, of_document, seconds

DOCUMENT = {
    "apiVersion": "maibo.dev/v1",
    "kind": "Journey",
    "metadata": {"name": "checkout"},
    "spec": {
        "timeout": "30m",
        "steps": [
            {"name": "basket", "routes": ["POST /checkout"], "begins": True},
            {"name": "payment", "routes": ["POST /checkout/pay/{id}", "POST /checkout/pay/saved"], "ends": True},
        ],
    },
}


def steps(routes, method, path):
    return [route.step for route in routes.match(method, path)]


def test_documents_say_what_each_route_is():
    assert of_document(DOCUMENT) == [
        ("POST /checkout", Route(journey="checkout", step="basket", begins=True, timeout_seconds=1800)),
        ("POST /checkout/pay/{id}", Route(journey="checkout", step="payment", ends=True, timeout_seconds=1800)),
        ("POST /checkout/pay/saved", Route(journey="checkout", step="payment", ends=True, timeout_seconds=1800)),
    ]
    assert of_document({"kind": "SLO"}) == []


def test_templates_match_as_web_frameworks_do():
    routes = Routes(
        {
            "GET /cart/{id}": Route(step="cart"),
            "GET /cart/new": Route(step="new"),
            "/files/{name:path}": Route(step="file"),
            "get /users/<int:id>/orders/<id2>": Route(step="order"),
            "* /any": Route(step="any"),
            "GET /a.b/{x}-{y}": Route(step="dot"),
            "GET /wiki/<path:page>": Route(step="wiki"),
        }
    )
    assert steps(routes, "GET", "/cart/7") == ["cart"]
    assert steps(routes, "GET", "/cart/new") == ["new"]
    assert steps(routes, "GET", "/cart/7/8") == []
    assert steps(routes, "GET", "/cart/") == []
    assert steps(routes, "POST", "/cart/7") == []
    assert steps(routes, "PUT", "/files/a/b/c") == ["file"]
    assert steps(routes, "GET", "/users/3/orders/9") == ["order"]
    assert steps(routes, "DELETE", "/any") == ["any"]
    assert steps(routes, "GET", "/a.b/1-2") == ["dot"]
    assert steps(routes, "GET", "/aXb/1-2") == []
    assert steps(routes, "GET", "/wiki/a/b") == ["wiki"]


def test_one_route_may_be_a_step_of_several_journeys():
    login = [Route(journey="checkout", step="login"), Route(journey="returns", step="login")]
    assert Routes({"POST /login": login}, [DOCUMENT]).match("POST", "/login") == tuple(login)


def test_one_route_needs_no_list():
    steps_ = [{"name": "basket", "routes": "POST /checkout", "begins": True}]
    assert [route for route, _ in of_document(DOCUMENT | {"spec": {"steps": steps_}})] == ["POST /checkout"]


@pytest.mark.parametrize(
    "bad",
    [
        DOCUMENT | {"spec": {"timeout": "soon", "steps": DOCUMENT["spec"]["steps"]}},
        DOCUMENT | {"spec": {"steps": [{"name": "basket", "routes": ["checkout"]}]}},
        DOCUMENT | {"spec": {"steps": [{"routes": ["POST /checkout"]}]}},
        DOCUMENT | {"spec": {"steps": [{"name": "basket", "routes": [7]}]}},
        DOCUMENT | {"metadata": None},
        "Journey",
        None,
    ],
)
def test_a_document_that_cannot_be_read_is_skipped_counted_and_told_once(bad, caplog):
    from maibo.asgi import JourneyMiddleware

    for _ in range(2):
        middleware = JourneyMiddleware(lambda *_: None, documents=[bad, DOCUMENT])
        assert steps(middleware.routes, "POST", "/checkout") == ["basket"]
    assert maibo.stats().documents_ignored == 2
    assert len(caplog.records) == 1
    assert "cannot be read" in caplog.text


def test_what_cannot_be_meant_is_refused_with_its_text():
    with pytest.raises(ValueError, match="'checkout'"):
        Routes({"checkout": Route()})
    for text in ("soon", 90, None, "90", "-1s"):
        with pytest.raises(ValueError, match=f"{text!r}"):
            seconds(text)
