"""What the benchmarks of crowds share: documents that are taken, and journeys that begin when they should."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

import pytest

from benchmarks import crowds
from maibo_slo.documents import load

if TYPE_CHECKING:
    from pathlib import Path


def test_the_documents_of_a_workload_behind_another_are_taken(tmp_path: Path) -> None:
    written = crowds.journey("buy", "front", "back") + "".join(
        crowds.target(name, of="buy") for name in ("front", "back")
    )
    (tmp_path / "documents.yaml").write_text(written)
    found = load([tmp_path / "documents.yaml"])
    assert [step.name for step in found.journeys["buy"].steps] == ["front", "back"]
    assert {
        name: (each.journeys, each.capacity.fixed) for name, each in found.scaling_targets.items()
    } == dict.fromkeys(("front", "back"), (("buy",), crowds.CAPACITY))


def test_a_crowd_begins_at_its_moment_and_the_calm_goes_on_after_it() -> None:
    times = crowds.paced(100.0, [110.05, 130.0], seconds=4.0, calm=5, crowd=80)
    due = list(takewhile(lambda at: at < 150, times))
    assert due[0] == 100.0
    assert {110.05, 130.0} <= set(due), "it does not wait for the next journey of the calm"
    for begin, end, rate in ((100, 110, 5), (110.05, 114, 80), (115, 129, 5), (130, 134, 80), (135, 149, 5)):
        came = sum(begin <= at < end for at in due)
        assert came == pytest.approx(rate * (end - begin), abs=2)
