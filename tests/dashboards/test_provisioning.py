"""`maibo generate grafana-provisioning`: files as Grafana reads them, with its variables, and no secret in any."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner

from maibo_dashboards.errors import OutputError
from maibo_dashboards.plugin import plugin, provision
from maibo_slo.cli import cli

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maibo_slo.documents import Catalogue

ROOT = Path(__file__).parents[2]
DEFAULTS = {
    option.name.replace("-", "_"): option.default
    for generator in plugin().generators
    if generator.name == "grafana-provisioning"
    for option in generator.options
}
DATASOURCES, DASHBOARDS, ALERTING = (
    f"provisioning/{subject}/maibo.yaml" for subject in ("datasources", "dashboards", "alerting")
)
OF_A_SOURCE = {"name", "uid", "type", "access", "editable", "url", "jsonData", "secureJsonData"}
"""Of what Grafana knows of a data source, what is written; another would be dropped without a word."""


def expanded(value: Any, environment: Mapping[str, str], files: Mapping[str, str]) -> Any:
    """As Grafana has it: `$__file{PATH}` is what the file holds, `$NAME` and `${NAME}` are its environment, `$$` is a dollar sign."""
    if isinstance(value, dict):
        return {key: expanded(child, environment, files) for key, child in value.items()}
    if isinstance(value, list):
        return [expanded(child, environment, files) for child in value]
    if not isinstance(value, str):
        return value
    parts = []
    for part in value.split("$$"):
        known = re.sub(r"\$__file\{([^}]*)\}", lambda found: files[found[1]], part)
        parts.append(re.sub(r"\$\{?(\w+)\}?", lambda found: environment.get(found[1], ""), known))
    return "$".join(parts)


def read(
    options: Mapping[str, str], environment: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The files by path, as Grafana has them."""
    from maibo_slo.documents import Catalogue

    made = {one.path: yaml.safe_load(one.text) for one in provision(Catalogue(), **{**DEFAULTS, **options})}
    assert all(said["apiVersion"] == 1 for said in made.values())
    return {path: expanded(said, environment or {}, files or {}) for path, said in made.items()}


def sources(**options: str) -> dict[str, Any]:
    environment = {"MAIBO_CLICKHOUSE_PASSWORD": "maibo_read_1"}
    made = read(options, environment, {"/run/secrets/maibo": "maibo_read_2"}).get(DATASOURCES, {"datasources": []})
    assert all(source.keys() <= OF_A_SOURCE for source in made["datasources"])
    return {source["type"]: source for source in made["datasources"]}


def test_the_embedded_store_and_a_prometheus_on_this_machine_are_there_unasked() -> None:
    made = sources()
    clickhouse = made["grafana-clickhouse-datasource"]
    assert clickhouse["jsonData"] == {
        "host": "127.0.0.1",
        "port": 8123,
        "protocol": "http",
        "secure": False,
        "username": "maibo",
        "defaultDatabase": "default",
    }
    assert clickhouse["secureJsonData"] == {"password": "maibo_read_1"}
    assert made["prometheus"]["url"] == "http://127.0.0.1:9090"
    assert len({source["uid"] for source in made.values()}) == len({source["name"] for source in made.values()}) == 2


def test_the_data_source_of_the_embedded_store_is_the_one_in_its_documentation() -> None:
    text = (ROOT / "docs" / "clickhouse-http.md").read_text()
    [block] = re.findall(r"```yaml\n(apiVersion: 1\n.*?)```", text, re.DOTALL)
    [told] = yaml.safe_load(block)["datasources"]
    made = sources()[told["type"]]
    assert told["jsonData"].items() <= made["jsonData"].items()
    assert (told["name"], told["access"]) == (made["name"], made["access"])


def test_a_servers_address_says_who_asks_which_database() -> None:
    made = sources(clickhouse="https://grafana@clickhouse.example/shop")["grafana-clickhouse-datasource"]["jsonData"]
    assert (made["host"], made["port"], made["secure"]) == ("clickhouse.example", 8443, True)
    assert (made["username"], made["defaultDatabase"]) == ("grafana", "shop")


def test_the_password_is_read_from_a_file_of_grafanas_machine() -> None:
    made = sources(password_file="/run/secrets/maibo")["grafana-clickhouse-datasource"]
    assert made["secureJsonData"] == {"password": "maibo_read_2"}


def test_what_is_off_is_not_there() -> None:
    assert sources(clickhouse="off").keys() == {"prometheus"}
    assert DATASOURCES not in read({"clickhouse": "off", "prometheus": "off"})


def test_the_dashboards_are_read_from_their_folder_into_theirs() -> None:
    [provider] = read({"path": "/srv/$dashboards", "folder": "Team $hop"})[DASHBOARDS]["providers"]
    assert provider["options"] == {"path": "/srv/$dashboards"}
    assert provider["folder"] == "Team $hop"
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert re.fullmatch(r"maibo-team-hop-[0-9a-f]{8}", provider["folderUid"])
    [top] = read({"folder": ""})[DASHBOARDS]["providers"]
    assert not {"folder", "folderUid"} & top.keys()


def test_nobody_is_told_unless_asked_since_grafana_has_but_one_policy(catalogue: Catalogue) -> None:
    assert ALERTING not in read({})
    *_, alerting = provision(catalogue, **DEFAULTS | {"page_to": "email:a@example.com"})
    assert alerting.path == ALERTING
    assert "replaces" in alerting.notes[0]


def test_pages_and_tickets_go_to_their_contact_points() -> None:
    environment = {"PAGER": "0123456789abcdef"}
    made = read({"page_to": "pagerduty:PAGER", "ticket_to": "email:a@example.com,b@example.com"}, environment)[ALERTING]
    points = {point["name"]: point["receivers"] for point in made["contactPoints"]}
    assert points == {
        "maibo-pages": [
            {"uid": "maibo-pages", "type": "pagerduty", "settings": {"integrationKey": "0123456789abcdef"}}
        ],
        "maibo-tickets": [
            {"uid": "maibo-tickets", "type": "email", "settings": {"addresses": "a@example.com;b@example.com"}}
        ],
    }
    assert made["policies"] == [
        {
            "receiver": "maibo-tickets",
            "group_by": ["grafana_folder", "alertname"],
            "routes": [{"receiver": "maibo-pages", "object_matchers": [["severity", "=", "page"]]}],
        }
    ]


@pytest.mark.parametrize("option", ["page_to", "ticket_to"])
def test_whoever_alone_was_named_is_told_everything(option: str) -> None:
    made = read({option: "slack:HOOK"}, {"HOOK": "https://hooks.example/x"})[ALERTING]
    [policy], [point] = made["policies"], made["contactPoints"]
    assert policy["receiver"] == point["name"]
    assert "routes" not in policy
    assert point["receivers"][0]["settings"] == {"url": "https://hooks.example/x"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"clickhouse": "http://maibo:hunter2@127.0.0.1:8123"}, "--clickhouse holds a password"),
        ({"clickhouse": "127.0.0.1:8123"}, "--clickhouse '127.0.0.1:8123' should be like http://"),
        ({"clickhouse": "http://maibo:hunter2/x@127.0.0.1"}, "--clickhouse is no address; write it as http://"),
        ({"clickhouse": "native://127.0.0.1:9000"}, "or 'off'"),
        ({"prometheus": "http://u:hunter2@127.0.0.1:9090"}, "--prometheus holds a password"),
        ({"prometheus": "http://u@127.0.0.1:9090"}, "--prometheus names a user"),
        ({"page_to": "slack:https://hooks.example/hunter2"}, "slack:ON_CALL_SLACK"),
        ({"ticket_to": "pigeon:HOME"}, "--ticket-to begins with 'pigeon'"),
        ({"ticket_to": "email:nobody"}, "--ticket-to should be like email:"),
    ],
)
def test_a_wrong_option_is_told_with_its_mend_and_without_what_may_be_secret(
    options: dict[str, str], told: str
) -> None:
    with pytest.raises(OutputError) as caught:
        read(options)
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_command_line_writes_what_grafana_looks_for(tmp_path: Path) -> None:
    service = tmp_path / "service.yaml"
    service.write_text("apiVersion: openslo/v1\nkind: Service\nmetadata: {name: shop}\nspec: {}\n")
    command = ["generate", "grafana-provisioning", str(service), "--out", str(tmp_path)]
    done = CliRunner().invoke(cli, [*command, "--page-to", "webhook:HOOK"])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [str(tmp_path / path) for path in (DATASOURCES, DASHBOARDS, ALERTING)]
    assert "replaces the organisation's whole notification policy" in done.stderr
    before = (tmp_path / DATASOURCES).read_bytes()
    assert CliRunner().invoke(cli, command).exit_code == 0
    assert (tmp_path / DATASOURCES).read_bytes() == before
