"""maibo itself: what came in, how old it is, and whether its parts work."""

from __future__ import annotations

from maibo_dashboards.promql.series import equal, increase, newest, of, quantile, rate, share


def broken_parts() -> str:
    return f"sum(max by (part) ({of('maibo_part_up')}) == bool 0)"


def drain_lag() -> str:
    return f"max({of('maibo_otlp_drain_lag_seconds')})"


def evaluation_age() -> str:
    return f"max({of('maibo_slo_evaluation_age_seconds')})"


def lost_share() -> str:
    """Refused, or ended before it started; of what belonged to a journey."""
    part = increase("maibo_otlp_drained_total", "", 'result=~"rejected|skewed"')
    return share(part, increase("maibo_otlp_drained_total", "", 'result=~"counted|rejected|skewed"'))


def events_a_second() -> str:
    """Over the time range."""
    return f"{_drained_within()} / $__range_s"


def _drained_within() -> str:
    return increase("maibo_otlp_drained_total", "", 'result=~"counted|ignored|rejected|skewed"')


def drained() -> str:
    """A second; `counted` has the overflowed among it."""
    return rate("maibo_otlp_drained_total", "result", 'result=~"counted|ignored|rejected|skewed"')


def overflowed() -> str:
    return rate("maibo_otlp_drained_total", "", equal("result", "overflowed"))


def losses() -> str:
    return rate("maibo_otlp_drained_total", "result", 'result=~"rejected|skewed"')


def duplicates() -> str:
    return rate("maibo_otlp_duplicate_bodies_total", "")


def answers() -> str:
    return rate("maibo_otlp_requests_total", "code")


def request_seconds(level: float) -> str:
    return quantile(level, "maibo_otlp_request_seconds", "")


def visible_seconds(level: float) -> str:
    """From a request's arrival to its counts being there."""
    return quantile(level, "maibo_otlp_visible_seconds", "")


def segments_waiting() -> str:
    return f"max({of('maibo_otlp_segments_waiting')})"


def log_bytes() -> str:
    return f"max({of('maibo_otlp_log_bytes')})"


def evaluation(which: str) -> str:
    """`age_seconds`, `duration_seconds`, `backlog`."""
    return f"max({of(f'maibo_slo_evaluation_{which}')})"


def overflow_by_journey() -> str:
    return newest("maibo_journey_overflow_events", "journey")


def ages_by_slo() -> str:
    return f"max by (slo) ({of('maibo_slo_age_seconds')})"


def signal_ages() -> str:
    return newest("maibo_scaling_signal_age_seconds", "target_namespace, target")


def stale_signals() -> str:
    return newest("maibo_scaling_signal_stale", "target_namespace, target")


def watch_ages() -> str:
    """Since each kind of object was heard of."""
    return newest("maibo_kubernetes_last_event_age_seconds", "resource")


def kubernetes_lost() -> str:
    return rate("maibo_kubernetes_rows_dropped_total", "")


def kubernetes_failed() -> str:
    return rate("maibo_kubernetes_store_failures_total", "")


def damaged() -> str:
    return rate("maibo_otlp_damaged_records_total", "")


def restarts() -> str:
    return rate("maibo_otlp_acceptor_restarts_total", "")


def memory() -> str:
    return f"max({of('process_resident_memory_bytes')})"


def cpu() -> str:
    return rate("process_cpu_seconds_total", "")


def parts() -> dict[str, str]:
    """Column -> query."""
    return {"Works": newest("maibo_part_up", "part")}
