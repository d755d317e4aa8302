"""Worlds for chaos, and who sends to them: see `world.py` and `senders.py`."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def world_module() -> Any:
    return _load("world")


@pytest.fixture(scope="session")
def senders_module() -> Any:
    return _load("senders")


@pytest.fixture
def world_at(world_module: Any, senders_module: Any) -> Iterator[Callable[..., Any]]:
    """Makes and starts worlds; whatever of them still runs at the end is killed."""
    made: list[Any] = []

    def make(folder: Path, *, embedded: bool, **options: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in options.items()}
        world = world_module.World(folder, embedded=embedded, document=senders_module.DOCUMENT, **named)
        made.append(world)
        world.start()
        return world

    yield make
    for world in made:
        for process in (world.core, world.endpoint):
            if process is not None:
                process.kill()
                process.wait(10)
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        pipe.close()
