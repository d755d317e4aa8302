"""What metrics propose, held to the numbers of Kubernetes' own tests (`replica_calculator_test.go`)."""

from __future__ import annotations

import pytest
from benchmarks.autoscaling.proposals import (
    Pod,
    Tolerance,
    by_external_average,
    by_utilisation,
    group,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = 10_000.0


def pods(levels: tuple[int | None, ...], *, unready: tuple[int, ...] = (), pending: tuple[int, ...] = (), failed: int = 0,
         deleting: int = 0, hot: tuple[int, ...] = (), requests: tuple[int, ...] = ()) -> list[Pod]:  # fmt: skip
    """Long ready ones but for those named by place."""
    found = []
    for place, level in enumerate(levels):
        begun = NOW - 30 if place in hot or place in unready else NOW - 3_600
        found.append(
            Pod(
                level,
                requests[place] if requests else 1000,
                "Pending" if place in pending else "Running",
                place not in unready,
                started_at=begun,
                transition_at=begun,
                measured_at=NOW,
            )
        )
    found += [Pod(None, phase="Failed")] * failed
    found += [Pod(None, deleting=True)] * deleting
    return found


CPU = [
    ("ScaleUp", 3, pods((300, 500, 700)), 30, 5),
    ("ScaleUpUnreadyLessScale", 3, pods((300, 500, 700), unready=(0,)), 30, 4),
    ("ScaleUpHotCpuLessScale", 3, pods((300, 500, 700), hot=(0,)), 30, 4),
    ("ScaleUpUnreadyNoScale", 3, pods((400, 500, 700), unready=(1, 2)), 30, 3),
    ("ScaleUpHotCpuNoScale", 3, pods((400, 500, 700), hot=(1, 2)), 30, 3),
    ("ScaleUpIgnoresFailedPods", 2, pods((500, 700), failed=2), 30, 4),
    ("ScaleUpIgnoresDeletionPods", 2, pods((500, 700), deleting=2), 30, 4),
    ("ScaleDown", 5, pods((100, 300, 500, 250, 250)), 50, 3),
    ("ScaleDownExcludeUnreadyPods", 5, pods((100, 300, 500, 250, 250), unready=(3, 4)), 50, 2),
    ("ScaleDownExcludeUnscheduledPods", 5, pods((100, None, None, None, None), pending=(1, 2, 3, 4)), 50, 1),
    ("ScaleDownIgnoreHotCpuPods", 5, pods((100, 300, 500, 250, 250), hot=(3, 4)), 50, 2),
    ("ScaleDownIgnoresFailedPods", 5, pods((100, 300, 500, 250, 250), failed=2), 50, 3),
    ("Tolerance", 3, pods((1010, 1030, 1020), requests=(900, 1000, 1100)), 100, 3),
    ("SuperfluousMetrics", 4, pods((4000, 9500, 3000, 7000)), 100, 24),
    ("MissingMetrics", 4, pods((400, 95, None, None)), 100, 3),
    ("EmptyMetrics", 4, pods((None,) * 4), 100, None),
    ("EmptyCPURequest", 1, pods((200,), requests=(0,)), 100, None),
    ("MissingMetricsNoChangeEq", 2, pods((1000, None)), 100, 2),
    ("MissingMetricsNoChangeGt", 2, pods((1900, None)), 100, 2),
    ("MissingMetricsNoChangeLt", 2, pods((600, None)), 100, 2),
    ("MissingMetricsUnreadyNoChange", 3, pods((100, 450, None), unready=(0,)), 50, 3),
    ("MissingMetricsUnreadyScaleUp", 3, pods((100, 2000, None), unready=(0,)), 50, 4),
    ("MissingMetricsUnreadyScaleDown", 4, pods((100, 100, 100, None), unready=(0,)), 50, 3),
]


@pytest.mark.parametrize(
    ("current", "given_pods", "percent", "expected"), [row[1:] for row in CPU], ids=[row[0] for row in CPU]
)
def test_cpu_proposes_as_in_kubernetes_own_tests(
    current: int, given_pods: list[Pod], percent: int, expected: int | None
) -> None:
    assert by_utilisation(current, group(given_pods, NOW), percent) == expected


def test_an_external_average_asks_for_the_sum_over_the_target() -> None:
    assert by_external_average(3, [8600], 2150) == (4, 2867)
    assert by_external_average(5, [8600], 2867) == (3, 1720)
    assert by_external_average(3, [8600], 2900) == (3, 2867), "within tolerance"
    assert by_external_average(3, [], 2900) is None
    assert by_external_average(1, [2**40], 1) == (2**31 - 1, 2**40), "saturates"
    assert by_external_average(20, [22_000], 1000) == (20, 1100), "10 % more are not had: the tolerance is inclusive"
    assert by_external_average(20, [22_000], 1000, Tolerance(0, 0)) == (22, 1100)


def test_pods_are_grouped_by_what_is_known_of_them() -> None:
    some = [*pods((100, None, 300, 400), unready=(2,), pending=(3,)), Pod(5, deleting=True), Pod(5, phase="Failed")]
    found = group(some, NOW)
    assert (found.measured, found.missing, found.unready) == (1, 1, 2)


def test_a_pod_that_once_was_ready_counts_again_after_its_first_minutes() -> None:
    begun = NOW - 3_600
    flapped = Pod(500, ready=False, started_at=begun, transition_at=NOW - 60)
    never = Pod(500, ready=False, started_at=begun, transition_at=begun + 5)
    assert group([flapped], NOW).measured == 1
    assert group([never], NOW).unready == 1


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(0, 5_000)), min_size=1, max_size=20),
    st.integers(1, 100),
    st.integers(0, 10),
)
def test_unmeasured_pods_never_turn_the_direction_round(levels: list[int | None], percent: int, unready: int) -> None:
    current = len(levels) + unready
    some = pods((*levels, *([None] * unready)), pending=tuple(range(len(levels), current)))
    measured = [level for level in levels if level is not None]
    found = by_utilisation(current, group(some, NOW), percent)
    if not measured:
        assert found is None
        return
    ratio = (sum(measured) * 100 // (1000 * len(measured))) / percent
    assert found is not None
    missing = len(levels) - len(measured)
    if missing or (unready and ratio > 1):
        assert found >= current if ratio > 1.0 else found <= current
