"""Windows that a person chose: read, used, and refused where they make no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from maibo_alerting.plugin import generate
from maibo_alerting.prometheus.durations import duration, seconds_of
from maibo_alerting.prometheus.windows import read_windows
from maibo_slo.documents import Catalogue
from maibo_slo.errors import MaiboError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from maibo_slo.documents import PromSlo


def catalogue_file() -> dict[str, Any]:
    def pair(percent: float, short: str, long: str) -> dict[str, object]:
        return {"errorBudgetPercent": percent, "shortWindow": short, "longWindow": long}

    return {
        "apiVersion": "sloth.slok.dev/v1",
        "kind": "AlertWindows",
        "spec": {
            "sloPeriod": "30d",
            "page": {"quick": pair(1, "2m", "30m"), "slow": pair(2, "15m", "3h")},
            "ticket": {"quick": pair(5, "1h", "12h"), "slow": pair(5.5, "3h", "36h")},
        },
    }


@pytest.fixture
def written(tmp_path: Path) -> Callable[[object], str]:
    def write(document: object) -> str:
        path = tmp_path / "windows.yaml"
        path.write_text(yaml.safe_dump(document))
        return str(path)

    return write


def test_chosen_windows_are_those_of_the_rules_and_pass_their_tests(
    prom_slo: Callable[..., PromSlo],
    written: Callable[[object], str],
    promtool_says: Callable[..., str],
    tmp_path: Path,
) -> None:
    slos = {"checkout": prom_slo(), "month": prom_slo("month", days=28)}
    made = {one.path: one.text for one in generate(Catalogue(prom_slos=slos), windows=written(catalogue_file()))}
    for name, text in made.items():
        (tmp_path / name.rsplit("/", 1)[-1]).write_text(text)
    chosen, usual = made["prometheus/slos/checkout.rules.yaml"], made["prometheus/slos/month.rules.yaml"]
    assert "maibo:slo_burn_rate:ratio30m" in chosen
    assert "maibo:slo_burn_rate:ratio1d12h" in chosen
    assert "ratio3d" not in chosen
    assert "# month: not over the sloPeriod of the windows" in usual
    assert "ratio3d" in usual
    assert promtool_says("test", "rules", "checkout_test.yaml") == ""


@pytest.mark.parametrize(
    ("place", "field", "value", "said"),
    [
        ("page", "errorBudgetPercent", 0, "not a number above 0"),
        ("page", "errorBudgetPercent", True, "not a number above 0"),
        ("page", "shortWindow", "0m", "not a duration of a minute or more"),
        ("page", "shortWindow", "30m", "shorter than longWindow"),
        ("page", "longWindow", "31d", "longer than sloPeriod"),
        ("ticket", "errorBudgetPercent", 1, "use at least 1.67%"),
        ("ticket", "longWindow", "often", "not a duration"),
        ("ticket", "surplus", 1, "must have errorBudgetPercent, shortWindow, longWindow, and nothing else"),
    ],
)
def test_nonsense_is_refused_where_it_stands(
    written: Callable[[object], str], place: str, field: str, value: object, said: str
) -> None:
    document = catalogue_file()
    document["spec"][place]["quick"][field] = value
    with pytest.raises(MaiboError, match=rf"windows\.yaml: spec\.{place}\.quick.*{said}"):
        read_windows(written(document))


def test_what_is_no_such_file_is_refused(written: Callable[[object], str], tmp_path: Path) -> None:
    with pytest.raises(MaiboError, match="not of kind AlertWindows"):
        read_windows(written({"kind": "SLO"}))
    with pytest.raises(MaiboError, match="cannot read the windows"):
        read_windows(str(tmp_path / "nowhere.yaml"))


def test_a_pair_out_of_an_objectives_reach_is_refused(
    prom_slo: Callable[..., PromSlo], written: Callable[[object], str]
) -> None:
    slo = prom_slo(targets=[0.9])
    with pytest.raises(MaiboError, match=r"page over 30m needs 144% bad events for the SLO 'checkout' \(0\.9\)"):
        list(generate(Catalogue(prom_slos={"checkout": slo}), windows=written(catalogue_file())))


@given(st.integers(1, 400 * 86_400))
def test_a_duration_is_read_back(seconds: int) -> None:
    assert seconds_of(duration(seconds)) == seconds
