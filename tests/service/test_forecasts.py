"""`/v1/forecasts` and `/v1/burst-pools`, over HTTP and a real store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

from maibo_slo.cli import cli
from maibo_slo.engine.forecasting import Asked, Forecaster
from maibo_slo.engine.scaling.inputs import Lead
from maibo_slo.service.flows import utc
from maibo_slo.store import replicas
from maibo_slo.store.forecasts import Forecasted, insert

if TYPE_CHECKING:
    from click.testing import Result

    from maibo_slo.documents.scaling_kinds import ScalingTarget

NAME = "shop/checkout-api"


def target(service) -> ScalingTarget:
    return service.runtime.scaler.targets["shop", "checkout-api"]


def run(service, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["scaling", *arguments, NAME, "--url", str(service.http.base_url)])


def remembering(service, monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    """A history in which every tenth minute has twice the calls of the busy one before it, known for so long."""

    def history(_: ScalingTarget, begin: int, end: int) -> np.ndarray:
        found = np.repeat([10.0, 20.0, 40.0], [4, 5, 1])[np.arange(begin // 60, end // 60) % 10]
        found[: max(0, len(found) - minutes)] = np.nan
        return found

    made = Forecaster(history)
    made.refresh([Asked(target(service), 3.0, "P90 of 9 scale-ups", Lead(50.0, "assumed"))], now=service.now)
    monkeypatch.setattr(service.runtime.scaler, "forecaster", made)


def ready(service, pods: int) -> None:
    at = int(service.now) // 10 * 10
    sample = replicas.Sample(target(service).workload, at, 39, 39, pods, pods * 10_000, 10_000, 1, service.now)
    replicas.insert(service.store, [sample])


def stored(service) -> None:
    """Two forecasts, of which the one that was made last is of the earlier moment."""
    minute = int(service.now) // 60 * 60
    made = [
        Forecasted("shop", "checkout-api", minute - 60, minute + 90, "trend", "", 1.0, {0.5: 1.0, 0.9: 2.0}),
        Forecasted("shop", "checkout-api", minute, minute + 80, "day", "", 2.0, {0.5: 20.0, 0.9: 28.0}),
    ]
    insert(service.store, made)


def test_a_target_without_forecasts_says_so(service) -> None:
    answer = service.http.get("/v1/forecasts/shop/checkout-api", params={"window": "1h"}).json()

    assert (answer["abstained"], answer["levels"], answer["forecasts"], answer["wape"]) == (
        "no forecast was made yet",
        [],
        0,
        None,
    )


def test_the_newest_forecast_and_how_they_did(service) -> None:
    minute = int(service.now) // 60 * 60
    acts = target(service).forecast.quantile
    said = {0.1: 8.0, 0.5: 10.0, acts: 14.0}
    made = [
        Forecasted("shop", "checkout-api", minute - 600, minute - 500, "day", "", 1.0, said, came=12.0),
        Forecasted("shop", "checkout-api", minute - 540, minute - 440, "persistence", "why not", 1.0, said, came=15.0),
        Forecasted("shop", "checkout-api", minute, minute + 100, "day", "", 2.0, {0.5: 20.0, acts: 28.0, 0.1: 16.0}),
    ]
    insert(service.store, made)

    answer = service.http.get("/v1/forecasts/shop/checkout-api", params={"series": "true"}).json()

    assert (answer["model"], answer["expected_factor"], answer["quantile"]) == ("day", 2.0, acts)
    assert (answer["forecasts"], answer["acted"]) == (2, 1)
    assert answer["wape"] == pytest.approx((2 + 5) / 27)
    [level] = [each for each in answer["levels"] if each["level"] == acts]
    assert (level["rate"], level["coverage"]) == (28.0, 0.5)
    assert level["under_share"] == pytest.approx(1 / 27)
    assert [(each["middle"], each["ready_for"], each["came"], each["acted"]) for each in answer["series"]] == [
        (10.0, 14.0, 12.0, True),
        (10.0, 14.0, 15.0, False),
    ]
    told = " ".join(run(service, "forecast").output.split())
    assert f"forecast: 28 calls/s at {utc(minute + 100):%Y-%m-%d %H:%M:%S} UTC (P{100 * acts:g} of day)" in told
    assert "a known event makes it 2 times the usual" in told
    assert "2 forecasts judged in 1 d, 1 acted upon; the median was off by 25.9 % of what came" in told


def test_the_newest_that_has_no_number_is_told_with_why_and_nothing_of_it_is_drawn(service) -> None:
    remembered = service.runtime.scaler.forecaster
    remembered.refresh([Asked(target(service), 77.0, "P90 of 9 scale-ups")], now=service.now)

    answer = service.http.get("/v1/forecasts/shop/checkout-api", params={"window": "5m", "series": "true"}).json()

    assert answer["abstained"].startswith(("no demand is known yet", "its history is short"))
    assert [each["rate"] for each in answer["levels"]] == []
    assert answer["series"] == []
    assert (answer["lead_seconds"], answer["lead_why"]) == (77.0, "P90 of 9 scale-ups")
    told = run(service, "forecast", "--window", "5m")
    assert told.exit_code == 0, told.output
    assert f"abstains: {answer['abstained']}" in " ".join(told.output.split())
    assert "77 s (P90 of 9 scale-ups)" in told.output


def test_an_unknown_target_is_a_404_that_names_the_nearest(service) -> None:
    for path in ("forecasts", "burst-pools"):
        answer = service.http.get(f"/v1/{path}/shop/chekout-api")

        assert answer.status_code == 404
        assert "did you mean 'shop/checkout-api'?" in answer.json()["detail"]
    assert service.http.get("/v1/forecasts/other/checkout-api").status_code == 404


def test_a_burst_pool_of_unknown_growth_has_no_size(service) -> None:
    answer = service.http.get("/v1/burst-pools/shop/checkout-api", params={"window": "1h"}).json()

    assert (answer["declared"], answer["growth"], answer["pods"], answer["pod_hours"]) == (False, None, None, None)
    assert answer["quantile"] == 0.99
    assert "nobody watches its pods" in answer["abstained"]
    assert "abstains: " in run(service, "pool").output


def test_a_burst_pool_of_a_short_history_has_no_size_and_says_why(service, monkeypatch) -> None:
    remembering(service, monkeypatch, minutes=12)
    ready(service, 8)

    answer = service.http.get(f"/v1/burst-pools/{NAME}").json()

    assert (answer["growth"], answer["pods"], answer["replicas"]) == (None, None, 8)
    assert answer["abstained"] == "its history is short: 0.2 h are known, 12 h are needed"
    assert (answer["lead_seconds"], answer["lead_why"]) == (50.0, "assumed")
    assert "abstains: its history is short" in run(service, "pool").output


@pytest.mark.parametrize(("pods", "free"), [(8, 8), (20, 10), (30, 0), (31, 0)])
def test_a_burst_pool_holds_no_more_than_the_replicas_may_still_grow(service, monkeypatch, pods, free) -> None:
    """Of 30 at most: demand doubles in a minute, so as many again are needed, as far as they may ever run."""
    remembering(service, monkeypatch, minutes=3 * 1440)
    service.now += 60
    ready(service, pods)

    answer = service.http.get(f"/v1/burst-pools/{NAME}").json()

    assert (answer["growth"], answer["replicas"], answer["max_replicas"]) == (2.0, pods, 30)
    assert (answer["pods"], answer["percentage"], answer["abstained"]) == (free, 100, "")
    told = " ".join(run(service, "pool").output.split())
    assert f"{free} pods beside {pods} ready ones of at most 30 (100 % of those that run)" in told
    assert "over a lead time 50 s (assumed)" in told


def test_where_nobody_watches_the_pods_the_percentage_is_told_alone(service, monkeypatch) -> None:
    remembering(service, monkeypatch, minutes=3 * 1440)
    service.now += 2 * replicas.LATELY_SECONDS

    answer = service.http.get(f"/v1/burst-pools/{NAME}").json()

    assert (answer["replicas"], answer["pods"], answer["percentage"]) == (None, None, 100)
    told = " ".join(run(service, "pool").output.split())
    assert "so it is not known how many run (100 % of those that run)" in told


def test_the_list_tells_of_every_target_what_is_told_of_it_alone(service, monkeypatch) -> None:
    stored(service)
    remembering(service, monkeypatch, minutes=12)
    ready(service, 8)

    for path in ("forecasts", "burst_pools"):
        address = f"/v1/{path.replace('_', '-')}"
        answer = service.http.get(address).json()
        told = {f"{each['namespace']}/{each['target']}": each for each in answer[path]}
        assert list(told) == sorted(
            f"{each.workload.namespace}/{each.name}" for each in service.runtime.scaler.targets.values()
        )
        alone = service.http.get(f"{address}/{NAME}").json()
        if path == "forecasts":  # the levels of its newest, without those of others before it
            alone["levels"] = [
                {name: each[name] for name in ("level", "rate")} for each in alone["levels"] if each["rate"] is not None
            ]
        assert told[NAME] == {name: alone[name] for name in told[NAME]}
    assert told[NAME]["replicas"] == 8


def test_where_nothing_is_remembered_the_list_has_what_was_stored_last(service, monkeypatch) -> None:
    stored(service)
    monkeypatch.setattr(service.runtime.scaler, "forecaster", None)

    [told] = [
        each for each in service.http.get("/v1/forecasts").json()["forecasts"] if each["target"] == "checkout-api"
    ]

    assert (told["model"], told["expected_factor"]) == ("day", 2.0)
    assert told["levels"] == [{"level": 0.5, "rate": 20.0}, {"level": 0.9, "rate": 28.0}]
