"""kill -9 at random moments under load: all that was acknowledged is counted, once."""

import contextlib
import http.client
import os
import random
import signal
import threading
import time

from maibo_slo.store import open_store

ROUNDS = 3
SENDERS = 3


class Sender(threading.Thread):
    """Sends bodies of its own, each again and again until it is acknowledged, as an exporter does; now and then once more after that."""

    def __init__(self, core, make_body, seed, stop):
        super().__init__(daemon=True)
        self.core, self.make_body, self.random, self.stopped = core, make_body, random.Random(seed), stop
        self.acknowledged = self.attempts = self.unnecessary = 0

    def run(self):
        while not self.stopped.is_set():
            count = self.random.randint(1, 20)
            body = self.make_body("checkout", count)
            while not self.accepted(body):
                time.sleep(0.02)
            self.acknowledged += count
            if self.random.random() < 0.2:
                self.unnecessary += self.accepted(body)

    def accepted(self, body) -> bool:
        self.attempts += 1
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.core.send(body).code == 200
        return False


def test_nothing_acknowledged_is_lost_or_counted_twice_when_everything_is_killed(core_at, tmp_path, otlp_body):
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    core = core_at(tmp_path, acceptors="2").start()
    core.options["otlp-http"] = f"127.0.0.1:{core.address[1]}"
    stop = threading.Event()
    senders = [Sender(core, otlp_body, chance.random(), stop) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    for number in range(ROUNDS):
        time.sleep(chance.uniform(0.1, 1.5))
        match number % 3:
            case 0:
                core.kill()
            case 1:
                os.kill(chance.choice(core.acceptors()), signal.SIGKILL)
                time.sleep(chance.uniform(0, 0.5))
                core.kill()
            case 2:
                core.kill(acceptors=False)
        core.start()
    time.sleep(0.5)
    stop.set()
    for sender in senders:
        sender.join(30)
        assert not sender.is_alive()
    acknowledged = sum(sender.acknowledged for sender in senders)
    core.wait_counted("checkout", acknowledged)
    core.stop()
    with open_store(f"chdb://{tmp_path / 'store'}") as store:
        cells = [store.rows(f"SELECT sum(n) FROM {table}")[0][0] for table in ("cells_10s", "cells_1m", "cells_1h")]
        begun = [store.rows(f"SELECT sum(started) FROM {table}")[0][0] for table in ("flow_1m", "starts_10s")]
    assert cells == [acknowledged] * 3
    assert begun == [acknowledged] * 2
    print("acknowledged", acknowledged, "attempts", sum(sender.attempts for sender in senders))
    assert acknowledged > 100
    assert sum(sender.unnecessary for sender in senders) > 0
