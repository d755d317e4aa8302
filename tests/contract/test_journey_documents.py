"""What `maibo validate` accepts of a Journey, the SDK's middleware takes; and both understand the same by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maibo import problems
from maibo.routes import DEFAULT_TIMEOUT_SECONDS, Routes
from maibo_slo.documents import check

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "30m": 1_800,
    "90s": 90,
    "1.5h": 5_400,
    "0.5m": 30,
    "2.000s": 2,
    "1d": 86_400,
    "0.25d": 21_600,
    "5000ms": 5,
    "3000000us": 3,
    "1s": 1,
    "1000000s": 1_000_000,
    "": DEFAULT_TIMEOUT_SECONDS,
}
BAD = [
    "30",
    "30 m",
    " 30m",
    "30M",
    "1w",
    "1500ms",
    "0s",
    "0.5s",
    "-1s",
    "+1s",
    "1e3s",
    ".5h",
    "1.h",
    "1000001s",
    "soon",
    "٣s",
]


@pytest.fixture(autouse=True)
def fresh() -> None:
    problems.forget()


def of_the_platform(timeout: str, folder: Path) -> int | None:
    file = folder / "journey.yaml"
    file.write_text(
        "{apiVersion: openslo/v1, kind: Service, metadata: {name: shop}, spec: {}}\n---\n"
        "{apiVersion: maibo.dev/v1, kind: Journey, metadata: {name: checkout}, spec: {service: shop, "
        f'timeout: "{timeout}", steps: [{{name: basket, routes: POST /checkout, begins: true}}]}}}}\n'
    )
    catalogue, found = check([file])
    assert catalogue is not None or all(problem.path.endswith("timeout") for problem in found), found
    return None if catalogue is None else catalogue.journeys["checkout"].timeout_seconds


def of_the_sdk(timeout: str) -> int | None:
    step = {"name": "basket", "routes": "POST /checkout", "begins": True}
    spec = {"service": "shop", "timeout": timeout, "steps": [step]}
    routes = Routes(documents=[{"kind": "Journey", "metadata": {"name": "checkout"}, "spec": spec}])
    found = routes.match("POST", "/checkout")
    return found[0].timeout_seconds if found else None


@pytest.mark.parametrize(("timeout", "seconds"), GOOD.items())
def test_both_read_a_timeout_alike(timeout: str, seconds: int, tmp_path: Path) -> None:
    assert of_the_platform(timeout, tmp_path) == of_the_sdk(timeout) == seconds
    assert problems.counted(problems.DOCUMENTS_IGNORED) == 0


@pytest.mark.parametrize("timeout", BAD)
def test_both_refuse_what_is_none(timeout: str, tmp_path: Path) -> None:
    assert of_the_platform(timeout, tmp_path) is None
    assert of_the_sdk(timeout) is None
    assert problems.counted(problems.DOCUMENTS_IGNORED) == 1
