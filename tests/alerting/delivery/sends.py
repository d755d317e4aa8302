"""A process that sends until it is killed: FILE URL."""

import sys
import time
from pathlib import Path

from maibo_alerting.alerts import Alert
from maibo_alerting.delivery.destination import Secrets
from maibo_alerting.delivery.outbox import Outbox
from maibo_alerting.delivery.route import Route
from maibo_alerting.delivery.send import Sender
from maibo_alerting.delivery.webhook import Webhook

outbox = Outbox(Path(sys.argv[1]))
sender = Sender(outbox, [Route(Webhook.of({"name": "hook", "url": sys.argv[2]}, Secrets({})), per_minute=10_000)])
sender.start()
for number in range(int(sys.argv[3]), int(sys.argv[4])):
    sender.put([Alert("MaiboBudgetBurn", f"slo-{number}", "99.9", "page", 1000.0)], now=time.time())
print("put", flush=True)
time.sleep(60)
