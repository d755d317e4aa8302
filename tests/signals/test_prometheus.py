"""Series of the scaling signals beyond what every face does."""

from __future__ import annotations

from dataclasses import replace

from maibo_slo.documents import Catalogue
from maibo_slo.engine.scaling.inputs import Demand, Forecast
from maibo_slo.engine.scaling.scaler import Scaler, _Seen

GONE_WHEN_STALE = (
    "desired_replicas",
    "lower_replicas",
    "upper_replicas",
    "demand_calls_per_second",
    "capacity_calls_per_second",
    "ready_replicas",
    "wanted_replicas",
)


def test_a_fresh_signal_has_all_its_series(prometheus_face, board, make_signal, make_signals, override) -> None:
    board.signals = make_signals(replace(make_signal(20), override=override, least=20))
    assert [prometheus_face.value(name) for name in GONE_WHEN_STALE] == [20, 19, 22, 410.0, 45.0, 9, 10]
    lasting = ("min_replicas", "max_replicas", "override", "signal_age_seconds", "signal_stale")
    assert [prometheus_face.value(name) for name in lasting] == [20, 40, 1, 1.0, 0]
    assert prometheus_face.value("wish_replicas", kind="reactive") == 20
    assert prometheus_face.value("wish_replicas", kind="predictive") is None


def test_a_forecast_is_told_by_quantile_whether_it_is_acted_upon_or_not(
    prometheus_face, board, make_signal, make_signals
) -> None:
    said = make_signal(20)
    forecast = Forecast(said.decided_at, said.decided_at + 90, {0.5: 400.0, 0.9: 480.0}, "day", abstained="too young")
    board.signals = make_signals(replace(said, inputs=replace(said.inputs, forecast=forecast)))
    told = [prometheus_face.value("forecast_calls_per_second", quantile=each) for each in ("0.1", "0.5", "0.9")]
    assert told == [400.0, 400.0, 480.0]
    board.signals = make_signals(replace(said, inputs=replace(said.inputs, forecast=replace(forecast, quantiles={}))))
    assert prometheus_face.value("forecast_calls_per_second", quantile="0.5") is None


def test_of_a_stale_signal_only_its_bounds_and_age_remain(prometheus_face, board, make_signal, make_signals) -> None:
    board.signals = make_signals(make_signal(20, age=94))
    assert [prometheus_face.value(name) for name in GONE_WHEN_STALE] == [None] * len(GONE_WHEN_STALE)
    assert prometheus_face.value("wish_replicas", kind="reactive") is None
    lasting = ("min_replicas", "max_replicas", "override", "signal_age_seconds", "signal_stale")
    assert [prometheus_face.value(name) for name in lasting] == [0, 40, 0, 94.0, 1]


def test_of_a_refused_target_its_bounds_age_and_override_remain(
    prometheus_face, board, store, make_target, override
) -> None:
    """As the engine makes it: a minute of calls, then ten of silence, beside a target that was never heard of."""
    targets = {
        "checkout-api": make_target(),
        "ghost": make_target("ghost", least=3, most=9),
    }
    scaler = Scaler(
        store, lambda: Catalogue(scaling_targets=targets), overrides=lambda: [override], now=lambda: board.now
    )
    looked_at = board.now
    seen = Demand(410.0, looked_at - 2, 4100, 10.0)
    scaler._seen = _Seen({("shop", "checkout-api"): seen})
    board.signals = scaler.decide(looked_at)
    assert prometheus_face.value("signal_age_seconds") == 2.0
    scaler._seen = _Seen()
    for _ in range(2):
        board.now += 300
        board.signals = scaler.decide(board.now)
    assert prometheus_face.value("desired_replicas") is None
    lasting = ("min_replicas", "max_replicas", "override", "signal_age_seconds", "signal_stale")
    assert [prometheus_face.value(name) for name in lasting] == [20, 30, 1, 602.0, 1]
    assert [prometheus_face.value(name, target="ghost") for name in lasting] == [3, 9, 0, None, 1]


def test_a_refused_target_of_which_nothing_is_known_is_stale(prometheus_face, board, make_signals) -> None:
    board.signals = make_signals(refused="never any demand seen")
    assert prometheus_face.value("signal_stale") == 1
    assert prometheus_face.value("signal_age_seconds") is None
    assert prometheus_face.value("max_replicas") is None
