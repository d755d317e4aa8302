"""`maibo demo` as a user runs it: real services, real traffic, and two accounts that are equal to the last count."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DEMO = [sys.executable, "-m", "maibo_slo.cli", "demo"]


def test_a_short_demo_ends_with_two_accounts_that_agree(tmp_path: Path):
    ended = subprocess.run(
        [*DEMO, "--duration", "15", "--seed", "3", "--json", "--dir", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert told["agree"]
    assert told["disagreements"] == []
    assert told["requests"] == told["counted"] > 200
    assert (told["lost"], told["duplicated"]) == (0, 0)
    assert told["spans"]["ended"] == told["spans"]["accepted"] == told["spans"]["counted"] > told["requests"]
    assert 0 < told["p99_error_max"] <= 0.0125
    assert 0 < told["freshness_p50_s"] <= told["freshness_p99_s"] < 60
    assert {(row["journey"], row["tier"]) for row in told["journeys"]} == {
        ("browse", "standard"),
        ("browse", "vip"),
        ("checkout", "standard"),
        ("checkout", "vip"),
    }
    assert all(row["customers"] == row["maibo"] for row in told["journeys"])
    assert all(row["services"] == row["maibo"] for row in told["steps"])
    assert {("cart", "1.0.0", "reserve"), ("payment", "1.0.0", "charge"), ("payment", "1.1.0", "charge")} <= {
        (row["service"], row["version"], row["step"]) for row in told["steps"]
    }
    assert "flash sale" in ended.stderr
    assert "maibo is at http://127.0.0.1:" in ended.stderr


BROKEN_SDK = """
import sys

if "maibo_slo.demo.shop" in sys.orig_argv:
    import maibo
    from maibo import runtime

    maibo.inject = lambda carrier: carrier
    ended = runtime.Runtime.journey_ended
    runtime.Runtime.journey_ended = lambda self, it: ended(
        self, it._replace(end_ns=it.start_ns + (it.end_ns - it.start_ns) // 2)
    )
"""
"""Carries no journey to another service, and tells every journey half as long as it was."""


def test_a_broken_sdk_is_found_though_all_that_it_says_fits_together(tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text(BROKEN_SDK)
    ended = subprocess.run(
        [*DEMO, "--duration", "6", "--seed", "3", "--json"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert not told["agree"]
    assert told["requests"] == told["counted"] > 50
    steps = {(row["service"], row["step"]): row for row in told["steps"]}
    missing = sum(sum(steps[place]["services"].values()) for place in (("cart", "reserve"), ("payment", "charge")))
    assert told["lost"] >= missing > 0
    assert told["p99_error_max"] == pytest.approx(0.5, abs=0.02)
    found = "\n".join(told["disagreements"])
    for where in (
        "checkout, step reserve, standard, cart 1.0.0 eu-central, success: the service wrote down",
        "checkout, step charge, standard, payment 1.0.0 eu-central, success: the service wrote down",
        "cart: steps outside, by its SDK:",
        "durations by the SDK are not those of the services' own clocks",
    ):
        assert where in found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")
def test_ctrl_c_leaves_no_process_behind(tmp_path: Path):
    folder = tmp_path / "demo"
    demo = subprocess.Popen([*DEMO, "--dir", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert demo.stdout is not None
        until = time.monotonic() + 60
        while len(processes_of(folder)) < 7:  # the demo, maibo, and five of the shop
            assert time.monotonic() < until, processes_of(folder)
            assert demo.poll() is None, demo.stdout.read()
            time.sleep(0.05)
        demo.send_signal(signal.SIGINT)
        told, _ = demo.communicate(timeout=120)
    finally:
        demo.kill()
        demo.wait()
    assert "stopped before its end" in told
    assert demo.returncode == 1
    assert processes_of(folder) == []


def processes_of(folder: Path) -> list[str]:
    """Command lines of running processes that name the folder."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = each.read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if f"{folder}" in line:
            found.append(line)
    return found
