"""What the engine remembers over a restart."""

import json
from datetime import datetime

import pytest

from maibo_slo.documents import Correction
from maibo_slo.engine.corrections import Window, differing
from maibo_slo.engine.memory import Counted, Memory, recall, remember
from maibo_slo.engine.state import PolicyNow
from maibo_slo.engine.sums import Name

UPGRADE = Correction("upgrade", "maintenance", "exclude", datetime(2026, 1, 1), 60, "Europe/Berlin")  # noqa: DTZ001 -- a start is local: the zone stands beside it
WINDOWS = (Window(0, 60, UPGRADE), Window(3_600, 7_200, UPGRADE))
MEMORY = Memory(
    mark=7,
    version=8,
    counted={"shop/a/b": Counted("journey:1", 3_600, {"tier=gold": 60, "tier=free": None})},
    burning_since={Name("shop", "a/b", "tier=gold"): 9.5},
    policies={Name("shop", "a/b", "tier=gold"): PolicyNow("default", "slow", 3.0)},
    applied={"shop": WINDOWS, "search": WINDOWS},
    offered={"prom": "prometheus:1"},
)


def test_everything_is_remembered_but_whose_corrections_they_were(tmp_path):
    remember(tmp_path / "engine.json", MEMORY, store="chdb://here")
    found = recall(tmp_path / "engine.json", store="chdb://here")
    for name in ("mark", "version", "counted", "burning_since", "policies", "offered"):
        assert getattr(found, name) == getattr(MEMORY, name)
    assert differing(found.applied["shop"], WINDOWS) == ()
    assert differing(found.applied["shop"], WINDOWS[:1]) == ((3_600, 7_200),)


def test_windows_that_are_shared_are_told_once(tmp_path):
    remember(tmp_path / "engine.json", MEMORY, store="chdb://here")
    assert len(json.loads((tmp_path / "engine.json").read_text())["windows"]) == 1
    found = recall(tmp_path / "engine.json", store="chdb://here")
    assert found.applied["shop"] is found.applied["search"]


@pytest.mark.parametrize(
    "damage", [{"format": 1}, {"store": "another"}, {"windows": [[[0, 60, "annotate"]]]}, {"applied": {"shop": 5}}]
)
def test_a_memory_that_does_not_fit_is_none(tmp_path, damage):
    path = tmp_path / "engine.json"
    remember(path, MEMORY, store="chdb://here")
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    assert recall(path, store="chdb://here") == Memory()
