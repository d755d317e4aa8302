"""Payment: charges cards. Version 1.1.0 is the bad release: slow, sometimes without an answer of the bank, sometimes wrong."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from maibo_slo.demo.shop import BAD_VERSION, DECLINED_CARD, GOOD_VERSION
from maibo_slo.demo.shop.work import Work

SLOWNESS = {GOOD_VERSION: 1.0, BAD_VERSION: 12.0}
UNANSWERED = {GOOD_VERSION: 0.0, BAD_VERSION: 0.20}
WRONGLY_DECLINED = {GOOD_VERSION: 0.0, BAD_VERSION: 0.05}


class Charge(BaseModel):
    """What to charge."""

    card: str


def add_routes(app: FastAPI, work: Work, *, version: str) -> None:
    """The one thing that payment does."""

    @app.post("/charge")
    async def charge(asked: Charge) -> dict[str, str]:
        await work.takes(25 * SLOWNESS[version])
        if work.fails(UNANSWERED[version]):
            raise HTTPException(503, "the bank did not answer")
        if asked.card == DECLINED_CARD or work.fails(WRONGLY_DECLINED[version]):
            raise HTTPException(402, "card declined")
        return {"charged": "yes"}
