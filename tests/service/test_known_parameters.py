"""A question is taken by the letter, also by a plugin's routes; and what is not there is said."""

from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Query
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

from maibo_slo import problems
from maibo_slo.known_parameters import only_known


class Filter(BaseModel):
    limit: int = 10
    since: str = Field("", alias="from")


def application(**how) -> TestClient:
    app = FastAPI(dependencies=[Depends(only_known)], **how)
    problems.install(app)

    def several(of: Annotated[Filter, Query()]) -> int:
        return of.limit

    app.get("/v1/several")(several)
    return TestClient(app)


def test_the_fields_of_a_model_are_parameters():
    http = application()
    assert http.get("/v1/several", params={"limit": 3, "from": "then"}).json() == 3
    refused = http.get("/v1/several", params={"limits": 3})
    assert refused.status_code == 422
    assert "no such parameter, did you mean 'limit'?; there are: from, limit" in refused.text


def test_a_name_unlike_all_there_are_is_not_said_to_be_meant(service):
    refused = service.http.get("/v1/changes", params={"window": "1h"})
    assert "query window: no such parameter; there are: from, kind, service, to" in refused.text


@pytest.mark.parametrize(("how", "told"), [({}, "; see /openapi.json for what there is"), ({"openapi_url": None}, "")])
def test_what_is_not_there_is_said_with_where_to_look_if_that_is_there(how, told):
    refused = application(**how).get("/v1/nothing")
    assert refused.status_code == 404
    assert refused.json()["detail"] == f"there is nothing at /v1/nothing{told}"
