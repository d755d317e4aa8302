"""The file of destinations."""

from __future__ import annotations

import pytest

from maibo_alerting.delivery.config import DestinationsError, adapters, load
from maibo_alerting.delivery.destination import Secrets

SECRETS = Secrets({"TOKEN": "hunter22"})


@pytest.fixture
def read(tmp_path):
    def write_and_load(text: str):
        (tmp_path / "destinations.yaml").write_text(text)
        return load(tmp_path / "destinations.yaml", secrets=SECRETS)

    return write_and_load


def test_a_destination_has_its_severities_and_its_pace(read) -> None:
    (route,) = read(
        "destinations:\n- {name: hook, type: webhook, url: 'http://h/x', severities: [page], per_minute: 5, secret_env: TOKEN}\n"
    )
    assert (route.name, route.severities, route.per_minute, route.batch, route.resend_seconds) == (
        "hook",
        {"page"},
        5,
        1,
        None,
    )
    assert "hunter22" not in repr(route)


def test_several_alertmanagers_are_a_route_each(read) -> None:
    routes = read(
        "destinations:\n- {name: am, type: alertmanager, urls: [http://a:9093, http://b:9093], resend_seconds: 30}\n"
    )
    assert [(route.name, route.resend_seconds) for route in routes] == [("am/1", 30), ("am/2", 30)]
    assert all(route.severities == {"page", "ticket"} and route.batch > 1 for route in routes)


def test_files_of_secrets_are_beside_the_file(read, tmp_path) -> None:
    (tmp_path / "token").write_text("from a file\n")
    (route,) = read("destinations:\n- {name: hook, type: webhook, url: 'http://h', bearer_file: token}\n")
    assert route.destination.credentials.headers() == {"Authorization": "Bearer from a file"}


HOOK = "name: hook, type: webhook, url: 'http://h'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("destination: []", "destinations: is needed, as a list"),
        ("destinations: []\nother: 1", ":2:1: error: other: no such field"),
        ("destinations: [5]", "each is a mapping"),
        ("destinations: [{name: Hook, type: webhook}]", "name is needed: small letters"),
        ("destinations: [{name: hook, type: webhok, url: 'http://h'}]", "did you mean webhook?"),
        (f"destinations: [{{{HOOK}, severities: [pager]}}]", "severities must be a list of page, ticket or both"),
        (f"destinations: [{{{HOOK}, per_minute: often}}]", "per_minute must be a number from 1 to 10000, not 'often'"),
        (
            f"destinations:\n- {{{HOOK}}}\n- {{{HOOK}}}",
            ":3:4: error: destinations[1]: name hook: another destination has it",
        ),
        (
            f"destinations:\n- {{{HOOK},\n   urll: x}}",
            ":3:4: error: destinations[0]: urll: no such field; did you mean url?",
        ),
        (f"destinations: [{{{HOOK}, bearer_env: MISSING}}]", "bearer_env MISSING is empty or not set"),
        (
            "destinations: [{name: a, type: alertmanager, urls: ['http://a', 'http://a']}]",
            "urls must be a list of different",
        ),
        ("destinations: [{name: a, type: webhook, url: 'ftp://a'}]", "url must begin with http:// or https://"),
        ("destinations: [", "error"),
    ],
)
def test_a_problem_is_told_with_its_place_and_its_mend(read, text, said) -> None:
    with pytest.raises(DestinationsError) as caught:
        read(text)
    assert said in str(caught.value)
    assert "destinations.yaml:" in str(caught.value)


def test_every_problem_is_told_at_once(read) -> None:
    with pytest.raises(DestinationsError) as caught:
        read("destinations:\n- {name: a, type: webhook}\n- {name: b, type: alertmanager}\n")
    assert str(caught.value).count("url is needed") == 2


def test_no_problem_tells_a_secret(read) -> None:
    with pytest.raises(DestinationsError) as caught:
        read("destinations:\n- {name: a, type: webhook, url: 'http://me:hunter22@h/'}\n")
    assert "hunter22" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path) -> None:
    with pytest.raises(DestinationsError, match="cannot be read"):
        load(tmp_path / "none.yaml", secrets=SECRETS)


def test_every_type_of_destination_is_known() -> None:
    assert {"alertmanager", "webhook", "pagerduty", "slack", "feishu", "dingtalk", "wecom", "email"} <= set(adapters())


def test_a_destination_of_people_has_the_services_language_unless_it_says_another(tmp_path) -> None:
    (tmp_path / "destinations.yaml").write_text(
        "destinations:\n"
        "- {name: a, type: pagerduty, secret_env: TOKEN}\n"
        "- {name: b, type: pagerduty, secret_env: TOKEN, locale: en}\n"
        "- {name: c, type: webhook, url: 'http://h/x'}\n"
    )
    routes = load(tmp_path / "destinations.yaml", secrets=SECRETS, locale="zh")
    assert [getattr(route.destination, "locale", None) for route in routes] == ["zh", "en", None]


def test_pagerduty_is_told_as_fast_as_it_takes(read) -> None:
    (route,) = read("destinations:\n- {name: a, type: pagerduty, secret_env: TOKEN}\n")
    assert route.per_minute == 120
