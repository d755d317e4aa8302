"""Whatever happens to a collector under load, one equation holds: sent and acknowledged = counted, for each journey, exactly.

What is acknowledged of a cumulative histogram is told in `senders.py`. ``MAIBO_CHAOS_ROUNDS`` says how many rounds (12 in `make test`, hundreds in `make soak`), ``MAIBO_CHAOS_SEED`` which.
"""

import os
import random
import subprocess
import time
from collections import Counter

import pytest

ROUNDS = int(os.environ.get("MAIBO_CHAOS_ROUNDS", "12"))
SEED = os.environ.get("MAIBO_CHAOS_SEED", "") or str(time.time_ns())
SENDERS = 3
ROUND_SECONDS = 1.2


def happen(world, choose: random.Random) -> str:
    """One mishap, and its name."""
    mishaps = ["acceptor killed", "core killed", "core and acceptors killed", "clock moved"]
    mishap = choose.choice(mishaps if world.embedded else [*mishaps, "store killed", "store hangs", "store killed"])
    match mishap:
        case "acceptor killed":
            world.kill_acceptor(choose)
        case "core killed":
            world.kill_core(acceptors=False)
        case "core and acceptors killed":
            world.kill_core(acceptors=True)
        case "clock moved":
            world.move_clock(choose.uniform(-7_200, 7_200))
        case "store killed" | "store hangs":
            world.store_away(choose.uniform(0.3, 1.5), killed=mishap == "store killed")
    return mishap


@pytest.mark.timeout(60 + 30 * ROUNDS)
@pytest.mark.parametrize("store", ["embedded", "server"])
def test_all_that_is_acknowledged_is_counted_once_whatever_happens(tmp_path, senders_module, world_at, store):
    choose = random.Random(f"{SEED}-{store}")
    world = world_at(tmp_path, embedded=store == "embedded")
    acknowledged: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    story = []
    attempts = repeats = 0
    for number in range(ROUNDS // 2):
        journeys = [f"round-{number}-{which}" for which in ("a", "b", "c")]
        senders = [
            senders_module.Sender(world.address, world.grpc, journeys, f"{SEED}-{number}-{each}")
            for each in range(SENDERS)
        ]
        for sender in senders:
            sender.start()
        mishaps = []
        for _ in range(choose.randint(1, 2)):
            time.sleep(choose.uniform(0.1, ROUND_SECONDS / 2))
            mishaps.append(happen(world, choose))
        time.sleep(choose.uniform(0.1, ROUND_SECONDS / 2))
        for sender in senders:
            sender.stopping.set()
        for sender in senders:
            sender.join(60)
            assert not sender.is_alive(), (SEED, number, mishaps, world.errors())
            acknowledged += sender.acknowledged
            ways += Counter({way.name.lower(): bodies for way, bodies in sender.by_way.items()})
            attempts, repeats = attempts + sender.attempts, repeats + sender.repeats
        story.append(mishaps)
        mine = Counter({journey: acknowledged[journey] for journey in (*journeys, senders_module.LOGGED)})
        assert world.settled(mine) == mine, (SEED, number, mishaps, world.errors())
    world.restart()  # the coarser tiers come later than what `settled` asks; and what counts twice would be seen now
    tables = world.in_every_table()
    world.stop()
    assert tables == [acknowledged] * 5, (SEED, story)
    assert repeats
    assert len(ways) == len(senders_module.Way)
    print(  # the equation, for `pytest -s`
        f"\n{store}: {ROUNDS // 2} rounds, {sum(map(len, story))} mishaps, {attempts} requests ({dict(ways)}) of which {repeats} were "
        f"needless repeats: {acknowledged.total()} acknowledged = {tables[0].total()} counted"
    )


@pytest.mark.timeout(120)
@pytest.mark.parametrize("limit", ["quota", "disk"])
def test_a_full_log_refuses_and_goes_on_by_itself_once_there_is_room(tmp_path, senders_module, world_at, limit):
    """The store is away until the log's quota, or its disk, is full: senders are told to come again; then everything is counted."""
    if limit == "disk":
        (tmp_path / "otlp" / "log").mkdir(parents=True)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path / "otlp" / "log"], capture_output=True, check=False
        )  # fmt: skip
        if mounted.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        world = world_at(tmp_path, embedded=False, otlp_log_mib="1" if limit == "quota" else "100")
        world.endpoint.kill()
        world.endpoint.wait(10)
        senders = [
            senders_module.Sender(world.address, world.grpc, ["checkout"], f"{SEED}-{each}", large=True)
            for each in range(SENDERS)
        ]
        for sender in senders:
            sender.start()
        _wait_until(lambda: sum(sender.refused for sender in senders) > 5)
        world.start_store()
        before = sum(sender.acknowledged.total() for sender in senders)
        _wait_until(lambda: sum(sender.acknowledged.total() for sender in senders) > before + 5 * 3_000)
        for sender in senders:
            sender.stopping.set()
        for sender in senders:
            sender.join(60)
            assert not sender.is_alive(), world.errors()
        acknowledged = sum((sender.acknowledged for sender in senders), Counter())
        assert world.settled(acknowledged) == acknowledged, (SEED, world.errors())
        world.stop()
    finally:
        if limit == "disk":
            subprocess.run(["umount", "--lazy", tmp_path / "otlp" / "log"], check=False)


def _wait_until(true, *, seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.05)
