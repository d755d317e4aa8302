"""The entry point: `maibo generate dashboards`, `maibo generate grafana-provisioning` and `maibo dashboards push`.

grafanalib is loaded when dashboards are made, never when plugins are listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from maibo_slo.plugins import Artefact, Generator, Option, Plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click

    from maibo_slo.documents import Catalogue

FORMS: Final = ("json", "configmap", "grafana-operator", "v1-resource")
SOURCES: Final = ("clickhouse", "prometheus")
_FOLDER: Final = Option("folder", "maibo", "Title of the folder in Grafana; '' for none.")


def plugin() -> Plugin:
    return Plugin(
        name="dashboards",
        summary="Grafana dashboards of journeys, SLOs, scale-ups, the business and maibo itself, reading ClickHouse or Prometheus",
        commands=_commands,
        generators=(_dashboards(), _provisioning()),
    )


def _dashboards() -> Generator:
    return Generator(
        "dashboards",
        "Grafana dashboards (JSON, schema 42): all journeys and their budgets, each journey, scale-up latency, the "
        "business pulse, maibo itself. Such as: maibo generate dashboards examples/shop --out out",
        generate,
        options=(
            Option("datasource", "clickhouse", "What they ask: the store, or what /metrics tells.", choices=SOURCES),
            Option(
                "format",
                "json",
                "JSON files, ConfigMaps for Grafana's sidecar, the Grafana operator's objects, or resources of Grafana's own API.",
                choices=FORMS,
            ),
            _FOLDER,
            Option("instances", "dashboards=grafana", "Labels of the operator's Grafanas that shall have them."),
        ),
    )


def _provisioning() -> Generator:
    return Generator(
        "grafana-provisioning",
        "files of Grafana's provisioning: data sources, the folder of dashboards, and, if told whom, contact points with their policy",
        provision,
        options=(
            Option(
                "clickhouse",
                "http://127.0.0.1:8123",
                "The store over HTTP: http[s]://USER@HOST:PORT/DATABASE, as --clickhouse-http or a ClickHouse serves it; 'off' for none.",
            ),
            Option("prometheus", "http://127.0.0.1:9090", "The Prometheus that scrapes maibo; 'off' for none."),
            Option(
                "password-file",
                "",
                "File on Grafana's machine with the store's password (maibo's token); else it is in Grafana's "
                "MAIBO_CLICKHOUSE_PASSWORD.",
            ),
            Option("path", "/etc/grafana/dashboards/maibo", "Folder on Grafana's machine with the dashboards' JSON."),
            _FOLDER,
            Option(
                "page-to",
                "",
                "Contact point of pages: email:ADDRESS, or KIND:VARIABLE of Grafana's environment that holds the secret (webhook, "
                "slack, teams, dingding, wecom: the URL; pagerduty: the key).",
            ),
            Option("ticket-to", "", "Contact point of tickets and of all else, said in the same way."),
        ),
    )


def generate(
    catalogue: Catalogue,
    *,
    datasource: str = "clickhouse",
    format: str = "json",  # noqa: A002 -- named as the option is
    folder: str = "maibo",
    instances: str = "dashboards=grafana",
) -> Iterator[Artefact]:
    """Every dashboard that there is. The same documents and options give the same bytes."""
    from maibo_dashboards.outputs.files import files

    form: Any = format
    source: Any = datasource
    yield from files(catalogue, source=source, form=form, folder=folder, instances=instances)


def provision(_: Catalogue, **options: str) -> Iterator[Artefact]:
    """Of the documents, only that they are valid: what is provisioned depends on where things run."""
    from maibo_dashboards.outputs.provisioning import provisioning

    yield from provisioning(**options)


def _commands() -> tuple[click.Command, ...]:
    from maibo_dashboards.outputs.command import dashboards

    return (dashboards,)
