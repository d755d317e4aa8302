"""The entry point: `maibo generate rules`, `maibo alert`, and alerts beside the service."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from maibo_slo.plugins import Artefact, Generator, Option, Plugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from maibo_slo.documents import Catalogue

DEFAULT_URL: Final = "http://127.0.0.1:8080"
"""As the command line's ``--url``: where alerts link to, unless ``MAIBO_URL`` says where people reach the pages."""


def plugin() -> Plugin:
    from maibo_alerting.service import DESTINATIONS, LOCALE, Alerting

    alerting = Alerting()
    return Plugin(
        name="alerting",
        options=(
            Option(DESTINATIONS, "", "File that says where alerts go; without it they are only shown (/v1/alerts)."),
            Option(LOCALE, "en", "Language of alerts, where a destination has none of its own.", choices=("en", "zh")),
        ),
        task=alerting.run,
        routes=alerting.routes,
        commands=_commands,
        summary="Prometheus alert rules for error budgets: on maibo's own metrics, or on a Prometheus' own counters",
        generators=(
            Generator(
                "rules",
                "Prometheus rules: burn rates, budgets, no data, a maibo that no longer evaluates; with tests for promtool",
                generate,
                options=(
                    Option("dialect", "maibo", "Whose metric names and labels.", choices=("maibo", "sloth")),
                    Option(
                        "format",
                        "prometheus",
                        "Rule files, or the operator's PrometheusRule objects.",
                        choices=("prometheus", "operator"),
                    ),
                    Option("windows", "", "File of kind AlertWindows: pairs of windows instead of the usual ones."),
                ),
            ),
        ),
    )


def _commands() -> tuple[click.Command, ...]:
    from maibo_alerting.backtest import slo
    from maibo_alerting.commands import alert

    return (alert, slo)


def generate(
    catalogue: Catalogue,
    *,
    dialect: str = "maibo",
    format: str = "prometheus",  # noqa: A002 -- named as the option is
    windows: str = "",
) -> Iterable[Artefact]:
    """Rule files. The same documents, options and ``MAIBO_URL`` give the same bytes."""
    from maibo_alerting.prometheus.files import files

    return files(
        catalogue,
        url=os.environ.get("MAIBO_URL") or DEFAULT_URL,
        dialect="sloth" if dialect == "sloth" else "maibo",
        form="operator" if format == "operator" else "prometheus",
        windows=windows,
    )
