"""The entry point: `maibo generate rules`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from maibo_slo.plugins import Artefact, Generator, Plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maibo_slo.documents import Catalogue

DEFAULT_URL: Final = "http://127.0.0.1:8080"
"""As the command line's ``--url``: where alerts link to, unless ``MAIBO_URL`` says where people reach the pages."""


def plugin() -> Plugin:
    return Plugin(
        name="alerting",
        summary="Prometheus alert rules for error budgets, on maibo's own metrics",
        generators=(
            Generator(
                "rules", "Prometheus alert rules: burn rates, no data, a maibo that no longer evaluates", generate
            ),
        ),
    )


def generate(catalogue: Catalogue) -> Iterator[Artefact]:
    """One rule file for all SLOs. The same documents, and the same ``MAIBO_URL``, give the same bytes."""
    from maibo_alerting.rules import rule_file

    url = os.environ.get("MAIBO_URL") or DEFAULT_URL
    yield Artefact("prometheus/maibo.rules.yaml", rule_file(catalogue, url=url))
