"""Whatever happens, the demo leaves no process behind, and says what a broken one said last."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maibo_slo.demo.children import Children, DemoError, free_port, listen

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]
IGNORES_SIGTERM = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(log: Path, text: str) -> str:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if text in (written := log.read_text()):
            return written
        time.sleep(0.02)
    raise AssertionError(f"{text!r} never came: {log.read_text()}")


def test_children_end_with_the_block_even_when_it_fails(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), Children(tmp_path) as children:
        child = children.start("sleeper", SLEEPS)
        raise ZeroDivisionError
    assert child.process.returncode is not None


def test_one_that_does_not_listen_to_sigterm_is_killed(tmp_path: Path):
    with Children(tmp_path) as children:
        child = children.start("deaf", IGNORES_SIGTERM)
        wait_for(child.log, "deaf")
        children.stop(child, within=0.2)
        assert child.process.returncode == -9


def test_grandchildren_end_too(tmp_path: Path):
    program = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print(p.pid, flush=True)"
    with Children(tmp_path) as children:
        child = children.start("parent", [sys.executable, "-c", program])
        grandchild = int(wait_for(child.log, "\n"))
        child.process.wait(20)
        assert lives(grandchild)
    until = time.monotonic() + 10
    while lives(grandchild) and time.monotonic() < until and not zombie(grandchild):
        time.sleep(0.02)
    assert not lives(grandchild) or zombie(grandchild)


def zombie(pid: int) -> bool:
    """Dead, and not yet collected by whatever adopted it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_one_that_dies_is_reported_with_its_last_lines(tmp_path: Path):
    with Children(tmp_path) as children:
        child = children.start("broken", [sys.executable, "-c", "print('no such port'); raise SystemExit(3)"])
        child.process.wait(20)
        with pytest.raises(DemoError, match=r"broken ended by itself \(exit code 3\)[^$]*no such port"):
            children.check()


@pytest.mark.parametrize(("ends", "code"), [(False, 0), (True, 3)])
def test_an_end_is_a_problem_unless_it_is_meant_and_went_well(tmp_path: Path, ends: bool, code: int):
    with Children(tmp_path) as children:
        child = children.start("short", [sys.executable, "-c", f"raise SystemExit({code})"], ends=ends)
        child.process.wait(20)
        with pytest.raises(DemoError, match=f"exit code {code}"):
            children.check()


def test_one_that_is_meant_to_end_and_did_well_is_no_problem(tmp_path: Path):
    with Children(tmp_path) as children:
        children.start("short", [sys.executable, "-c", ""], ends=True).process.wait(20)
        children.check()


def test_the_callers_telemetry_and_proxies_are_not_the_childrens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("OTEL_SDK_DISABLED", "MAIBO_DISABLED", "https_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("OTHER", "stays")
    with Children(tmp_path) as children:
        child = children.start("env", [sys.executable, "-c", "import os; print(*sorted(os.environ))"], ends=True)
        child.process.wait(20)
    names = child.log.read_text().split()
    assert "OTHER" in names
    assert not {"OTEL_SDK_DISABLED", "MAIBO_DISABLED", "https_proxy", "HTTP_PROXY"} & set(names)


def test_one_that_was_stopped_is_no_problem(tmp_path: Path):
    with Children(tmp_path) as children:
        children.stop(children.start("sleeper", SLEEPS))
        children.check()


def test_a_child_inherits_a_socket_that_listens_already(tmp_path: Path):
    with Children(tmp_path) as children, listen() as door:
        program = f"import socket; s = socket.socket(fileno={door.fileno()}); c, _ = s.accept(); c.sendall(b'hello')"
        children.start("server", [sys.executable, "-c", program], sockets=[door])
        asked = subprocess.run(
            [
                sys.executable,
                "-c",
                f"import socket; print(socket.create_connection(('127.0.0.1', {door.getsockname()[1]})).recv(9))",
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert "hello" in asked.stdout


def test_a_port_that_is_taken_is_replaced_by_a_free_one():
    with listen() as taken:
        port = taken.getsockname()[1]
        assert free_port(port) not in (port, 0)
    assert free_port(port) == port
