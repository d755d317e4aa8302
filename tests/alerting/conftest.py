"""Documents with SLOs, and Prometheus' own tool."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from maibo_alerting.plugin import generate
from maibo_slo.documents import Catalogue, CellSelector, Objective, Origin, PromQuery, PromSlo, Sli, Slo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

DAY = 86_400
promtool = shutil.which("promtool")


def _slo(
    name: str, *, targets: Sequence[float], days: float, labels: Mapping[str, tuple[str, ...]] | None = None
) -> Slo:
    return Slo(
        name=name,
        display_name=f"{name}, which is {{{{ hot }}}} and 'quoted'",
        description="",
        service="shop",
        indicator=Sli(
            name=name,
            total=CellSelector("checkout"),
            good=CellSelector("checkout", outcomes=frozenset({"success"})),
        ),
        objectives=tuple(Objective(str(target), target) for target in targets),
        window_seconds=int(days * DAY),
        labels=labels or {},
        origin=Origin("slos.yaml", 1),
    )


@pytest.fixture
def slo() -> Callable[..., Slo]:
    return _slo


_EVENTS = 'http_requests_total{job="shop"}'
_BAD = 'http_requests_total{job="shop",code=~"5.."}'


def _prom_slo(
    name: str = "checkout",
    *,
    targets: Sequence[float] = (0.999,),
    days: float = 30,
    total: str = _EVENTS,
    good: str = "",
    bad: str = "",
    labels: Mapping[str, tuple[str, ...]] | None = None,
) -> PromSlo:
    return PromSlo(
        name=name,
        display_name=f"{name}, which is {{{{ hot }}}} and 'quoted'",
        description="",
        service="shop",
        total=PromQuery(total),
        good=PromQuery(good) if good else None,
        bad=None if good else PromQuery(bad or _BAD),
        objectives=tuple(Objective(str(target), target) for target in targets),
        window_seconds=int(days * DAY),
        labels=labels or {},
        origin=Origin("slos.yaml", 1),
    )


@pytest.fixture
def prom_slo() -> Callable[..., PromSlo]:
    """An SLO whose events a Prometheus counts."""
    return _prom_slo


@pytest.fixture
def promtool_says(tmp_path: Path) -> Callable[..., str]:
    """What `promtool` prints, run in `tmp_path`; '' when all is well."""
    if promtool is None:
        pytest.fail("promtool is missing: install Debian's prometheus")

    def run(*arguments: str) -> str:
        command = [str(promtool), *arguments]
        lavish = os.environ | {"GOGC": "400"}  # promtool collects garbage for a sixth of its time otherwise
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path, env=lavish
        )
        return done.stdout + done.stderr if done.returncode else ""

    return run


@pytest.fixture
def rules() -> Callable[..., str]:
    """The rule file of some SLOs."""

    def make(*slos: Slo) -> str:
        made = generate(Catalogue(slos={slo.name: slo for slo in slos}))
        return next(artefact.text for artefact in made if artefact.path == "prometheus/maibo.rules.yaml")

    return make


@pytest.fixture
def check(tmp_path: Path) -> Callable[[str], None]:
    """`promtool check rules`, every lint fatal."""
    if promtool is None:
        pytest.fail("promtool is missing: install Debian's prometheus")

    def run(text: str) -> None:
        path = tmp_path / "rules.yaml"
        path.write_text(text)
        command = [str(promtool), "check", "rules", "--lint=all", "--lint-fatal", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


@pytest.fixture
def firing(tmp_path: Path) -> Callable[..., list[tuple[str, str, str]]]:
    """What fires after ten minutes of constant series, by `promtool test rules`: (alert, severity, objective), sorted.

    promtool only compares; told to expect nothing, it says what it got.
    """
    if promtool is None:
        pytest.fail("promtool is missing: install Debian's prometheus")

    def run(text: str, series: Mapping[str, float]) -> list[tuple[str, str, str]]:
        (tmp_path / "rules.yaml").write_text(text)
        alerts = ("MaiboBudgetBurn", "MaiboNoData", "MaiboNotEvaluating")
        suite = {
            "rule_files": ["rules.yaml"],
            "evaluation_interval": "1m",
            "tests": [
                {
                    "interval": "1m",
                    "input_series": [{"series": name, "values": f"{value}x10"} for name, value in series.items()],
                    "alert_rule_test": [{"eval_time": "10m", "alertname": alert, "exp_alerts": []} for alert in alerts],
                }
            ],
        }
        (tmp_path / "test.json").write_text(json.dumps(suite))
        command = [str(promtool), "test", "rules", "test.json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, cwd=tmp_path)
        return sorted(_alerts(done.stdout + done.stderr)) if done.returncode else []

    return run


def _alerts(said: str) -> list[tuple[str, str, str]]:
    """Alerts of promtool's ``got:[ Labels:{alertname="…", …} Annotations:{…} … ]``."""
    assert "got:" in said, said
    found = re.findall(r"Labels:\{([^}]*)\} *(?:\n *)?Annotations", said.split("got:", 1)[1])
    assert found, said
    alerts = [dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)) for labels in found]
    return [(labels["alertname"], labels["severity"], labels.get("objective", "")) for labels in alerts]
