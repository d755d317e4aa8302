"""Whatever happens to a collector under load, one equation holds: sent and acknowledged = counted, for each journey, exactly.

``MAIBO_CHAOS_ROUNDS`` says how many rounds (20 in `make test`, hundreds in `make soak`), ``MAIBO_CHAOS_SEED`` which.
"""

import os
import random
import time
from collections import Counter

import pytest

ROUNDS = int(os.environ.get("MAIBO_CHAOS_ROUNDS", "20"))
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
def test_all_that_is_acknowledged_is_counted_once_whatever_happens(tmp_path, world_module, world_at, store):
    choose = random.Random(f"{SEED}-{store}")
    world = world_at(tmp_path, embedded=store == "embedded")
    acknowledged: Counter[str] = Counter()
    story = []
    attempts = repeats = 0
    for number in range(ROUNDS // 2):
        journeys = [f"round-{number}-{which}" for which in ("a", "b", "c")]
        senders = [world_module.Sender(world.address, journeys, f"{SEED}-{number}-{each}") for each in range(SENDERS)]
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
            attempts, repeats = attempts + sender.attempts, repeats + sender.repeats
        story.append(mishaps)
        mine = Counter({journey: acknowledged[journey] for journey in journeys})
        assert world.settled(mine) == mine, (SEED, number, mishaps, world.errors())
    time.sleep(0.5)  # what is counted twice would be seen now
    tiers = world.in_every_tier()
    world.stop()
    assert tiers == [acknowledged] * 3, (SEED, story)
    assert repeats
    print(  # the equation, for `pytest -s`
        f"\n{store}: {ROUNDS // 2} rounds, {sum(map(len, story))} mishaps, {attempts} requests of which {repeats} were needless "
        f"repeats: {acknowledged.total()} acknowledged = {tiers[0].total()} counted"
    )


@pytest.mark.timeout(90)
def test_a_log_at_its_quota_refuses_and_recovers_when_the_store_returns(tmp_path, world_module, world_at):
    """The store hangs until the log is full: senders are told to come again, and everything is counted when it is back."""
    world = world_at(tmp_path, embedded=False, otlp_log_mib="1")
    world.endpoint.kill()
    world.endpoint.wait(10)
    senders = [world_module.Sender(world.address, ["checkout"], f"{SEED}-{each}") for each in range(SENDERS)]
    big = world_module.body_of("checkout", 20_000, end_ns=time.time_ns())
    del big
    for sender in senders:
        sender.start()
    time.sleep(2)
    world.start_store()
    time.sleep(1)
    for sender in senders:
        sender.stopping.set()
    for sender in senders:
        sender.join(60)
    acknowledged = sum((sender.acknowledged for sender in senders), Counter())
    assert world.settled(acknowledged) == acknowledged, (SEED, world.errors())
    world.stop()
