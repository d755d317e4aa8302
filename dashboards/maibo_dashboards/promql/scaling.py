"""Scale-ups by their counters, and decisions as every face tells them."""

from __future__ import annotations

from typing import Final

from maibo_dashboards.promql.series import RANGE, RATE, chosen, equal, increase, newest, of, quantile, share

ENDED: Final = "maibo_scaleups_total"
LASTED: Final = "maibo_scaleup_duration_seconds"
TARGET: Final = ('target_namespace="$namespace"', 'target="$target"')
FORECAST: Final = {"0.9": "P90", "0.5": "median", "0.1": "P10"}
_WORKLOAD: Final = chosen("workload")


def workloads() -> str:
    return f"label_values({of(ENDED)}, workload)"


def namespaces() -> str:
    return f"label_values({of('maibo_scaling_signal_stale')}, target_namespace)"


def targets() -> str:
    return f"label_values({of('maibo_scaling_signal_stale', TARGET[0])}, target)"


def latency(level: float, *, over: str = RANGE, every: bool = False) -> str:
    """Those that never got there are slower than any; a quantile among them is the last bucket's edge."""
    return quantile(level, LASTED, "", *([] if every else [_WORKLOAD]), over=over)


def ended(state: str = "", *, over: str = RANGE) -> str:
    return increase(ENDED, "", _WORKLOAD, *([equal("state", state)] if state else []), over=over)


def running() -> str:
    return f"sum({newest('maibo_scaleups_running', 'workload', _WORKLOAD)})"


def warm_share() -> str:
    return share(increase(ENDED, "", _WORKLOAD, equal("warm", "yes")), increase(ENDED, "", _WORKLOAD))


def columns() -> dict[str, str]:
    """Column -> query, by workload; of the time range."""
    every = increase(ENDED, "workload", _WORKLOAD)
    return {
        "Scale-ups": every,
        "Never got there": increase(ENDED, "workload", _WORKLOAD, equal("state", "censored")),
        "Running": newest("maibo_scaleups_running", "workload", _WORKLOAD),
        **{f"P{level:g}": quantile(level / 100, LASTED, "workload", _WORKLOAD, over=RANGE) for level in (50, 90, 99)},
        "Served warm": share(increase(ENDED, "workload", _WORKLOAD, equal("warm", "yes")), every),
    }


def replicas(which: str) -> str:
    """`desired`, `lower`, `upper`, `ready`, `wanted`, `min`, `max`."""
    return f"max({of(f'maibo_scaling_{which}_replicas', *TARGET)})"


def demand() -> str:
    return f"max({of('maibo_scaling_demand_calls_per_second', *TARGET)})"


def carried() -> str:
    """Calls a second that the ready replicas carry, as it is planned with."""
    return f"{replicas('ready')} * max({of('maibo_scaling_capacity_calls_per_second', *TARGET)})"


def forecast(quantile_: str) -> str:
    return f"max({of('maibo_scaling_forecast_calls_per_second', *TARGET, equal('quantile', quantile_))})"


def wishes() -> str:
    return newest("maibo_scaling_wish_replicas", "kind", *TARGET)


def signal_age() -> str:
    return f"max({of('maibo_scaling_signal_age_seconds', *TARGET)})"


def signal_stale() -> str:
    return f"max({of('maibo_scaling_signal_stale', *TARGET)})"


def utilisation(over: str = RANGE) -> str:
    """Calls / those that the ready replicas could have carried, of every target and moment at which both are known."""
    calls = newest("maibo_scaling_demand_calls_per_second", "target_namespace, target")
    ready = newest("maibo_scaling_ready_replicas", "target_namespace, target")
    each = newest("maibo_scaling_capacity_calls_per_second", "target_namespace, target")
    return (
        f"sum(sum_over_time(({calls} and {ready} * {each})[{over}:5m])) / "
        f"(sum(sum_over_time(({ready} * {each} and {calls})[{over}:5m])) > 0)"
    )


def marks() -> str:
    """A sample a few scrapes long after one was over."""
    return f"{increase(ENDED, 'workload', over=RATE)} > 0"


def overridden() -> str:
    """A sample while a person's override is in force."""
    return f"max by (target_namespace, target) ({of('maibo_scaling_override')} == 1)"
