"""Documents to break: one valid file, and a way of telling what `check` says of a changed one."""

from pathlib import Path

import pytest

from maibo_slo.documents import Catalogue, check

VALID = """\
apiVersion: openslo/v1
kind: Service
metadata:
  name: shop
spec:
  description: Sells things.
---
apiVersion: maibo.dev/v1
kind: Journey
metadata:
  name: checkout
spec:
  service: shop
  timeout: 30m
  threshold: 300ms
  steps:
    - name: basket
      routes: [POST /checkout]
      begins: true
    - name: payment
      routes: ["POST /checkout/{id}/pay"]
      ends: true
---
apiVersion: openslo/v1
kind: SLI
metadata:
  name: success
spec:
  ratioMetric:
    counter: true
    good:
      metricSource:
        type: journey
        spec: {journey: checkout, tier: [vip, standard]}
    total:
      metricSource:
        type: journey
        spec: {journey: checkout}
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: available
  labels: {team: shopping}
spec:
  description: Checkouts succeed.
  service: shop
  indicatorRef: success
  timeWindow:
    - duration: 28d
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - target: 0.995
"""


class Judge:
    """Writes texts into one folder and tells what `check` says of it, with file names as written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str | bytes, name: str = "docs.yaml") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def check(self, *, strict: bool = False, standard: bool = False) -> tuple[Catalogue | None, list[str]]:
        catalogue, problems = check([self.folder], strict=strict, standard=standard)
        return catalogue, [str(problem).replace(f"{self.folder}/", "") for problem in problems]

    def problems(
        self, text: str | bytes, name: str = "docs.yaml", *, strict: bool = False, standard: bool = False
    ) -> list[str]:
        self.write(text, name)
        return self.check(strict=strict, standard=standard)[1]

    def catalogue(self, text: str | bytes, name: str = "docs.yaml") -> Catalogue:
        self.write(text, name)
        catalogue, problems = self.check()
        assert catalogue is not None, "\n".join(problems)
        return catalogue


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    return Judge(tmp_path)


@pytest.fixture(scope="session")
def valid() -> str:
    return VALID
