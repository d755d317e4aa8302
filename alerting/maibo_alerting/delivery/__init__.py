"""Alerts on their way to people: an outbox that survives restarts, and the destinations it empties into.

* `config`: which destinations there are, `route`: what goes to each, and how fast
* `outbox`: what waits, what was taken, what was given up; `send`: the threads that empty it
* `alertmanager`, `webhook`, and in `adapters` those of on-call services, chats and mail; `http`: their requests
* `commands`: `maibo alert test`

Errors, all `MaiboError`: `DestinationsError` (the file), `OutboxError` (its disk), `DeliveryError` (a destination did not take an alert).
"""
