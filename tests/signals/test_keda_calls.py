"""The benchmark of KEDA's calls, briefly: that it checks what it says. How fast it was is for those who run it alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "keda_calls.py"


def test_while_a_store_hangs_every_answer_is_a_decided_number_or_a_refusal() -> None:
    command = [sys.executable, PROGRAM, "--json", "--rate", "100", "--seconds", "4", "--max-age", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["wrong"], found["first_wrong"]) == (0, [])
    assert found["calls"] >= 400
    assert 0 < found["refused"] < found["calls"] / 2
    assert found["served_told"] > 0
    assert found["retried"] * 2 >= found["refused"]
