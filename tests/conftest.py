"""What every room's tests may use."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from itertools import count
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from maibo_slo.store import Store, open_store
from maibo_slo.store.scaleups import Moment, PodState, PodTimes, ScaleUp, ScaleUpState, Stage
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_numbers = count()


@pytest.fixture
def store_dsn(tmp_path: Path) -> str:
    """Where this test's own embedded store is, or would be: nothing is opened yet."""
    return f"chdb://{tmp_path / 'store'}"


@pytest.fixture
def store(store_dsn: str) -> Iterator[Store]:
    """An embedded store of the test's own, empty and migrated (0.1 s; the engine serves one folder a process at a time,
    so a test that has this one cannot open another in its own process)."""
    with open_store(store_dsn) as opened:
        yield opened


class MakeScaleUp:
    """``make_scaleup(at, pods=[{"created": 1, "ready": 5}, ...])``: one decision, its pods by seconds after it.

    What Kubernetes writes to the second is known to the second here too. As many pods as were added are there, unless told otherwise.
    """

    TO_THE_SECOND = frozenset({Stage.CREATED, Stage.READY, Stage.IN_ROTATION})

    def __call__(
        self,
        at: float,
        pods: Sequence[Mapping[str, float]] = (),
        *,
        workload: str = "shop/Deployment/checkout-api",
        before: int = 10,
        added: int | None = None,
        trigger: float | None = None,
        served: float | None = None,
        ended: float | None = None,
        exact: bool = False,
        **told: Any,
    ) -> ScaleUp:
        added = len(pods) if added is None else added
        made = [self._pod(at, index, times, exact=exact) for index, times in enumerate(pods)]
        moments = {Stage.DECIDED: Moment(at, at, at + 0.02, "watch")}
        for stage, seconds in ((Stage.TRIGGER, trigger), (Stage.SERVED, served)):
            if seconds is not None:
                moments[stage] = Moment(at + seconds, at + seconds, None, "store")
        for stage in Stage:
            reached = [pod.moments[stage] for pod in made if stage in pod.moments]
            if added and len(reached) >= added:
                moments[stage] = self._nth(reached, added)
        serving = [self._served(pod) for pod in made if pod.state is PodState.SERVING]
        complete = len(serving) >= max(1, added)
        state = ScaleUpState.COMPLETE if complete else ScaleUpState.RUNNING if ended is None else ScaleUpState.CENSORED
        return replace(
            ScaleUp(
                id=f"{workload}@{round(at * 1000)}",
                workload=Workload.of(workload),
                before=before,
                after=before + added,
                by="hpa",
                reason="New size: reason: external metric above target",
                moments={stage: moments[stage] for stage in Stage if stage in moments},
                pods=tuple(made),
                state=state,
                half=self._nth(serving, -(-added // 2)) if len(serving) * 2 >= added > 0 else None,
                most=self._nth(serving, -(-added * 9 // 10)) if len(serving) * 10 >= added * 9 > 0 else None,
                ended=self._nth(serving, added).latest if complete else None if ended is None else at + ended,
            ),
            **told,
        )

    def _pod(self, at: float, index: int, times: Mapping[str, float], *, exact: bool) -> PodTimes:
        said = dict(times)
        facts = {name: said.pop(name) for name in [*said] if name not in set(Stage)}
        moments = {}
        for name, seconds in said.items():
            t = at + seconds
            whole = not exact and Stage(name) in self.TO_THE_SECOND
            moments[Stage(name)] = Moment(floor(t), floor(t) + 1, t + 0.05, "condition") if whole else Moment(t, t)
        serving = Stage.IN_ROTATION in moments or Stage.READY in moments
        state = PodState(facts.pop("state", "serving" if serving else "starting"))  # type: ignore[arg-type]
        ended = facts.pop("ended", None)
        return PodTimes(
            facts.pop("name", f"checkout-api-6d5f9c-{index:05}"),  # type: ignore[arg-type]
            facts.pop("node", f"node-{index % 7 + 1}"),  # type: ignore[arg-type]
            state,
            moments,
            ended=None if ended is None else at + ended,
            **facts,  # type: ignore[arg-type]
        )

    @staticmethod
    def _served(pod: PodTimes) -> Moment:
        return pod.moments.get(Stage.IN_ROTATION) or pod.moments[Stage.READY]

    @staticmethod
    def _nth(of: Sequence[Moment], number: int) -> Moment:
        return Moment(
            sorted(each.earliest for each in of)[number - 1],
            sorted(each.latest for each in of)[number - 1],
            None,
            "condition",
        )


@pytest.fixture(scope="session")
def make_scaleup() -> MakeScaleUp:
    """Scale-ups as the recorder writes them."""
    return MakeScaleUp()


@pytest.fixture(scope="session")
def recorder_module() -> Callable[[str], Any]:
    """``recorder_module("fake_api")``: a module of the recorder's tests, each time a new one, for whoever changes it."""

    def load(name: str) -> Any:
        spec = importlib.util.spec_from_file_location(
            f"recorder_{name}_{next(_numbers)}", Path(__file__).parent / "kubernetes" / f"{name}.py"
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def fake_api(recorder_module: Callable[[str], Any]) -> Any:
    """The module of the fake API server."""
    return recorder_module("fake_api")
