"""docs/on-call.md tells what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from maibo_alerting.delivery import chat, email
from maibo_alerting.delivery.adapters import ADAPTERS
from maibo_alerting.delivery.config import load
from maibo_alerting.delivery.destination import Secrets

PAGE = (Path(__file__).parents[3] / "docs" / "on-call.md").read_text()


def test_the_example_loads_once_its_secrets_are_there(tmp_path):
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for path in re.findall(r"/run/secrets/([\w-]+)", example):
        (tmp_path / path).write_text("https://open.feishu.example/hook/1" if path.endswith("url") else "a-secret")
    (tmp_path / "destinations.yaml").write_text(example.replace("/run/secrets/", ""))
    routes = load(tmp_path / "destinations.yaml", secrets=Secrets({}))
    assert [route.name for route in routes] == [entry["name"] for entry in yaml.safe_load(example)["destinations"]]


def test_every_type_is_in_the_table():
    told = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert told == set(ADAPTERS)


@pytest.mark.parametrize("field", sorted((chat.ADDRESS_FIELDS | chat.SECRET_FIELDS | email.FIELDS) - {"name"}))
def test_every_setting_is_told(field):
    if field.endswith("_env"):
        assert field in PAGE or f"`{field.removesuffix('_env')}_file`/`_env`" in PAGE
    else:
        assert re.search(rf"\b{field}\b", PAGE)
