"""maibo inside a service: tag what customers do, in three lines::

    import maibo
    maibo.configure(service="storefront")
    with maibo.journey("checkout", tier="vip"):
        with maibo.step("payment"):
            ...

A journey is one customer trying to get one thing done; steps are its parts; it ends as ``success``, ``failure`` with a reason, or
``abandoned``. Where it spans requests and services, `begin`, `resume` and `inject` (or `maibo.asgi.JourneyMiddleware`) carry it on.

maibo never breaks its host: without `configure`, or disabled, everything here does nothing; an error of its own is caught,
logged once and counted in `stats()`. Importing this needs OpenTelemetry's API only; its SDK and exporter load in `configure`.
"""

from maibo.carry import carry
from maibo.configuration import configure, flush, shutdown, stats
from maibo.journeys import Journey
from maibo.runtime import FinishedJourney
from maibo.stats import Stats
from maibo.steps import Step
from maibo.tagging import JourneyBlock, begin, current, inject, journey, resume, step

__all__ = [
    "FinishedJourney",
    "Journey",
    "JourneyBlock",
    "Stats",
    "Step",
    "begin",
    "carry",
    "configure",
    "current",
    "flush",
    "inject",
    "journey",
    "resume",
    "shutdown",
    "stats",
    "step",
]
