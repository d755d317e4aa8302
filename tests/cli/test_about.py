"""``maibo version``: versions, and what plugins tell of themselves."""

import json

import pytest
from click.testing import CliRunner

from maibo_slo import plugins
from maibo_slo.cli import cli
from maibo_slo.plugins import Plugin


def version(*arguments: str) -> str:
    return CliRunner().invoke(cli, ["version", *arguments], catch_exceptions=False).stdout


def fails() -> dict[str, str]:
    raise OSError("no such file")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (
        Plugin(name="quiet"),
        Plugin(name="otlp", about=lambda: {"otlp decoder": "compiled"}),
        Plugin(name="broken", about=fails),
    )
    monkeypatch.setattr(plugins, "plugins", lambda: found)


def test_plugins_tell_of_themselves_and_one_that_cannot_does_no_harm(told: None) -> None:
    lines = version().splitlines()
    assert "otlp decoder: compiled" in lines
    assert "broken: cannot tell: OSError: no such file" in lines
    said = json.loads(version("--output", "json"))
    assert (said["otlp decoder"], said["broken"]) == ("compiled", "cannot tell: OSError: no such file")
    assert "maibo-slo" in said


def test_it_tells_which_decoder_of_otlp_is_in_use() -> None:
    decoder = json.loads(version("--output", "json"))["otlp decoder"]
    assert decoder == "compiled" or decoder.startswith("python: ")
