"""docs/sources.md: its documents load, and its plugin is judged."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maibo_slo.documents import load
from maibo_slo.service.runtime import Runtime, Settings
from maibo_slo.sources.server import server

if TYPE_CHECKING:
    from maibo_slo.store import Store

PAGE = (Path(__file__).parents[2] / "docs" / "sources.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_documents_of_a_prometheus_are_judged(tmp_path: Path) -> None:
    (tmp_path / "slos.yaml").write_text(blocks("yaml")[0])
    catalogue = load([tmp_path])
    assert catalogue.warnings == ()
    source = catalogue.judged["orders-accepted"].data_source  # type: ignore[union-attr]
    assert source is not None
    asked = server(source)
    assert (asked.url, asked.bearer_token_file, asked.ca_file) == (
        "https://prometheus.example.com",
        "/run/secrets/prometheus",
        "/etc/ssl/prometheus-ca.pem",
    )


def test_the_plugin_that_reads_a_file_is_judged_and_its_trouble_told(tmp_path: Path, store: Store) -> None:
    now = time.time()
    counts = tmp_path / "counts.csv"
    (tmp_path / "slos.yaml").write_text(blocks("yaml")[2].replace("/var/lib/till/counts.csv", str(counts)))
    meant: dict[str, Any] = {}
    exec(blocks("python")[0], meant)
    runtime = Runtime(
        store,
        Settings(store=str(store), data_dir=tmp_path),
        catalogue=load([tmp_path / "slos.yaml"]),
        installed=[meant["plugin"]()],
        now=lambda: now,
    )
    runtime.feeder.round()
    [part] = [part for part in runtime.parts() if part.part == "csv"]
    assert (part.ok, part.needed) == (False, False)
    assert part.detail == f"SLO receipts: {counts} cannot be read: No such file or directory"

    minutes = [datetime.fromtimestamp(now // 60 * 60 - 60 * back, UTC) for back in range(2, 100)]
    counts.write_text("minute,printed,jammed\n" + "".join(f"{t:%Y-%m-%dT%H:%M},20,1\n" for t in minutes))
    now += 20
    runtime.feeder.round()
    runtime.engine.tick(now=now)
    [observed] = runtime.engine.snapshot().observed
    assert (observed.slo.name, observed.own.good, observed.own.bad) == ("receipts", 98 * 19, 98)
    assert [part.ok for part in runtime.parts() if part.part == "csv"] == [True]


def test_a_plugin_whose_source_cannot_be_had_is_told_and_the_others_go_on(tmp_path: Path, store: Store) -> None:
    meant: dict[str, Any] = {}
    exec(blocks("python")[0].replace("lambda context: CsvSource()", "lambda context: context.missing"), meant)
    runtime = Runtime(
        store,
        Settings(store=str(store), data_dir=tmp_path),
        catalogue=load([]),
        installed=[meant["plugin"]()],
    )
    [part] = [part for part in runtime.parts() if part.part == "csv source"]
    assert (part.ok, part.needed) == (False, False)
    assert "AttributeError" in part.detail
