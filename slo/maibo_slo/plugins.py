"""What a plugin is, and the one place that looks plugins up.

A plugin is a function without arguments, registered under the entry-point group ``maibo.plugins``, that returns one `Plugin`.
Built-in ones register exactly like a stranger's::

    [project.entry-points."maibo.plugins"]
    mine = "my_package.plugin:plugin"

    def plugin() -> Plugin:
        return Plugin(name="mine", summary="says hello", routes=lambda context: my_router(context.store))

A plugin that fails to load never takes the command line down: `discover` reports it, with the reason, beside those that work.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
    from pathlib import Path

    import click
    from fastapi import APIRouter
    from prometheus_client import CollectorRegistry

    from maibo_slo.documents import Catalogue
    from maibo_slo.store import Store

GROUP = "maibo.plugins"
OFF: Final = ("", "off")
"""Values of an option that do without what it is about."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of `maibo serve` that a plugin brings: ``--NAME`` on the command line, ``MAIBO_NAME`` in the environment.

    Or one of a `Generator`, on the command line alone.
    """

    name: str
    default: str
    help: str
    least: int | None = None
    """A whole number from this on, refused otherwise before anything starts; None: any text."""
    choices: Sequence[str] = ()
    """The values that there are; () any."""

    @property
    def parameter(self) -> str:
        """What a command's function calls it: never as one of its own."""
        return f"plugin_{self.name.replace('-', '_')}"


class Listen(Protocol):
    """`Context.listen`."""

    def __call__(self, address: str, setting: str, /, *, guarded: bool = False) -> Awaitable[socket.socket]: ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a running service lends to its plugins."""

    store: Store
    data_dir: Path
    """A folder of this service's own, for logs and temporary files; it outlives restarts."""
    catalogue: Callable[[], Catalogue]
    """The documents in force now; ask again instead of keeping the answer."""
    options: Mapping[str, str]
    """Values of every plugin's `Option`s by name."""
    registry: CollectorRegistry
    """What ``/metrics`` shows; register collectors here. A task's leave it when the task ends."""
    report: Callable[[str, str | None], None]
    """``report("otlp", None)``: this part works; ``report("otlp", "log is full")``: it does not, and why (see ``/readyz``)."""
    stopping: asyncio.Event
    """Set when the service stops: a task finishes its work and returns within 25 s, or is cancelled."""
    listen: Listen
    """``await listen("127.0.0.1:4318", "--otlp-http")``: a listening TCP socket that does not block, on a loopback ``HOST:PORT``
    (port 0 takes a free one). An address in use is tried for 10 s: what a killed process left needs a moment to let go. MaiboError
    when the address is wrong, can be reached by others or stays taken; it names the setting to change, the second argument. With
    ``guarded=True`` any address is taken: whoever listens there asks for tokens or client certificates."""
    announce: Callable[[str, str], None]
    """``announce("otlp-http", "http://127.0.0.1:4318")``: where this plugin serves, told to people when the service is ready; under
    ``otlp-http``, the page tells it to those who have sent nothing yet."""
    snapshot: Callable[[], Any] = lambda: None
    """What the engine's last tick found: a `maibo_slo.engine.snapshot.Snapshot` (which is above this module); None without an engine."""
    signals: Callable[[], Any] = lambda: None
    """What the scaling engine's last tick decided: a `maibo_slo.engine.scaling.signal.Signals` (above this module too); None without one."""
    warn: Callable[[str, str], None] = lambda *_: None
    """``warn("kubernetes", "RBAC does not allow to watch pods")``: as `report`, but the service stays ready without it."""
    served: Callable[[str, str, int, str], None] = lambda *_: None
    """``served("shop", "checkout-api", 12, "keda")``: a face answered so; must not block. From it a scale-up's story knows who said it first."""
    counted: Callable[[], None] = lambda: None
    """New 10 s cells are in the store: whoever decides by them looks at once. From any thread; does not block."""
    answered: Callable[[str, str, int | None, str, str], None] = lambda *_: None
    """``answered("shop", "checkout-api", None, "the signal is 75 s old", "json")``: what a face said about a target that there is, replicas or why not,
    whoever asked; `served` says it of replicas that a scaler was told. Must not block. The page tells it."""
    last_answers: Callable[[str, str], Sequence[Any]] = lambda *_: ()
    """What each face answered last about a target: `maibo_slo.engine.scaling.answered.Answered` (above this module)."""
    about_to_fire: Callable[[Iterable[Any]], None] = lambda _: None
    """``about_to_fire(soon)``: all that is about to fire, instead of what was told before, by whoever judges alerts:
    `maibo_slo.service.alerts_soon.Soon` (above this module). From any thread. The page tells it; before the first time it says that nobody has judged."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """One generated file: its path relative to ``--out``, and its text."""

    path: str
    text: str
    notes: Sequence[str] = ()
    """What whoever generates it should know of it, such as what is not in it: told on standard error."""


@dataclass(frozen=True, slots=True)
class Generator:
    """`maibo generate NAME`: files made from documents."""

    name: str
    help: str
    generate: Callable[..., Iterable[Artefact]]
    """Called with the catalogue, and by keyword (``-`` is ``_``) with the value of each of `options`."""
    options: Sequence[Option] = ()
    """Those of generators may have the same name: each has its own choices and default."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """What a plugin brings; every field but the name is optional."""

    name: str
    summary: str = ""
    options: Sequence[Option] = ()
    task: Callable[[Context], Coroutine[Any, Any, None]] | None = None
    """Runs beside the service, from its start until `Context.stopping`; it reports itself ready. One that dies is started again. But a
    MaiboError before it ever reported that it works ends the service, with that text: a setting is wrong."""
    routes: Callable[[Context], APIRouter] | None = None
    commands: Callable[[], Sequence[click.Command]] | None = None
    """A group with the name of a built-in one (``journey``) adds its commands to that."""
    generators: Sequence[Generator] = ()
    sli_source: Callable[[Context], Any] | None = None
    """Called once, when the service starts. Gives a `maibo_slo.engine.feeding.Source` (which is above this module): it is asked for the
    counts of SLOs, before maibo's own sources are."""
    about: Callable[[], Mapping[str, str]] | None = None
    """What `maibo version` tells of it beside its version: ``{"otlp decoder": "compiled"}``."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry point, and what came of it: a plugin or an error."""

    entry_point: str
    distribution: str
    version: str
    plugin: Plugin | None = None
    error: str | None = None
    value: str = field(default="", compare=False)


@cache
def discover() -> tuple[Found, ...]:
    """Every entry point of the group ``maibo.plugins``, by name; loaded once a process."""
    found = [_load(point) for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)]
    return tuple(found)


def plugins() -> tuple[Plugin, ...]:
    """Those plugins that loaded."""
    return tuple(found.plugin for found in discover() if found.plugin is not None)


def options() -> tuple[Option, ...]:
    """Every option that a plugin brings; of two with one name, the first plugin's."""
    named: dict[str, Option] = {}
    for plugin in plugins():
        for option in plugin.options:
            named.setdefault(option.name, option)
    return tuple(named.values())


def with_options(brought: Sequence[Option]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator of a click command's function: gives it these options. Their values come as keywords, for `option_values`."""
    import click

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(brought):
            command = click.option(
                f"--{option.name}",
                option.parameter,
                default=option.default,
                type=click.Choice(option.choices) if option.choices else None,
                metavar=None if option.least is None else f"INTEGER>={option.least}",
                callback=None if option.least is None else partial(_whole_number, least=option.least),
                envvar=f"MAIBO_{option.name.upper().replace('-', '_')}",
                show_default=bool(option.default),
                show_envvar=True,
                help=option.help,
            )(command)
        return command

    return decorate


def _whole_number(_: click.Context, __: click.Parameter, value: str, *, least: int) -> str:
    """'' says nothing."""
    import click

    if value and not (value.isdecimal() and int(value) >= least):
        raise click.BadParameter(f"{value!r} must be a whole number from {least} on")
    return value


def option_values(brought: Sequence[Option], keywords: Mapping[str, str]) -> dict[str, str]:
    """Values by the options' names, as `Context.options` has them."""
    return {option.name: keywords[option.parameter] for option in brought}


def commands() -> tuple[click.Command, ...]:
    """Every command that a plugin brings; a plugin whose commands fail brings none."""
    found: list[click.Command] = []
    for plugin in plugins():
        try:
            found.extend(plugin.commands() if plugin.commands is not None else ())
        except Exception as error:  # noqa: BLE001 -- a stranger's code may raise anything; it must not take ours down
            log.warning("the commands of plugin %s cannot be had: %s", plugin.name, error)
    return tuple(found)


def _load(point: EntryPoint) -> Found:
    distribution = point.dist.name if point.dist else "?"
    version = point.dist.version if point.dist else "?"
    try:
        plugin = point.load()()
        if not isinstance(plugin, Plugin):
            raise TypeError(f"{point.value} returned {type(plugin).__name__}, not maibo_slo.plugins.Plugin")  # noqa: TRY301 -- told like every other failure, below
    except Exception as error:  # noqa: BLE001 -- a stranger's code may raise anything; it must not take ours down
        log.warning("plugin %s of %s %s failed to load: %s", point.name, distribution, version, error)
        return Found(point.name, distribution, version, error=f"{type(error).__name__}: {error}", value=point.value)
    return Found(point.name, distribution, version, plugin=plugin, value=point.value)
