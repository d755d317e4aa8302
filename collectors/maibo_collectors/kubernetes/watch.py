"""One watch: list, then follow, for ever.

What a watch tells is complete: after a gap that the server no longer knows (410) everything is listed anew, and what came, changed or went
meanwhile is told as such (`Change.listed`). A connection that breaks off or is silent is taken up again at the version heard of last, after a
pause that grows with each failure and is never the same for two. When nothing has been seen for longer than a moment, it says so (`Sight`):
whoever measures time must not count what nobody watched.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from maibo_collectors.kubernetes.changes import Change
from maibo_collectors.kubernetes.mirror import Mirror
from maibo_collectors.kubernetes.watched import trimmed
from maibo_slo.kubernetes import (
    WATCH_SECONDS,
    KubernetesDenied,
    KubernetesError,
    KubernetesGone,
    KubernetesNotFound,
    KubernetesRefused,
    KubernetesUnreachable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from maibo_collectors.kubernetes.changes import ChangeType
    from maibo_collectors.kubernetes.watched import Watched
    from maibo_slo.kubernetes import Cluster, Watching

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
DENIED_PAUSE_SECONDS: Final = 15.0
"""At least, after a 401 or 403: a role is bound by hand, and nobody should have to restart anything then."""
ABSENT_PAUSE_SECONDS: Final = 300.0
"""Between two looks whether a kind has been installed."""
GONE_SECONDS: Final = 600.0
"""A kind that is not served for so long has been taken away, and its objects with it. Sooner it may be that a definition is replaced, or that
the server has just begun: then all is there as it was.
"""
GONE_PAUSE_SECONDS: Final = 30.0
"""Between two looks whether it is served again."""
SHORT_SECONDS: Final = 1.0
"""A watch that ends sooner, and told nothing, failed: without a pause it would be begun for ever."""
LONG_SECONDS: Final = 20.0
"""One that lasted so long worked, whether or not there was something to tell."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sight:
    """Whether a kind of object is seen as it is from now on."""

    resource: str
    namespace: str
    """'' is all."""
    seen: bool
    at: float
    """Unix s, by our clock."""


Told = Change | Sight


@dataclass(slots=True)
class Figures:
    """Of one watch, for people."""

    restarts: int = 0
    """Connections taken up again after they broke off."""
    relists: int = 0
    """Lists after the first."""
    malformed: int = 0
    """Lines and objects that are none."""
    changes: int = 0
    last_heard: float | None = None
    """A change or a bookmark, unix s."""


class Watch:
    """Runs in a thread of its own."""

    def __init__(
        self,
        cluster: Cluster,
        watched: Watched,
        namespace: str,
        tell: Callable[[Told], None],
        *,
        forgiven: bool = False,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], object] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`tell` may block: then nothing more is read. `forgiven`: being denied is no problem, but as if it were not installed. `pause` waits
        so many seconds, or less when the watch is stopped.
        """
        self.watched = watched
        self.namespace = namespace if watched.resource.namespaced else ""
        self.figures = Figures()
        self.problem: str | None = None
        """Why it does not see; None: it does, or there is nothing to see."""
        self.seen = False
        self._cluster = cluster
        self._tell = tell
        self._forgiven = forgiven
        self._clock = clock
        self._stopping = threading.Event()
        self._pause = self._stopping.wait if pause is None else pause
        self._chance = chance
        self._mirror = Mirror(kept=watched.kept)
        self._version: str | None = None
        self._failures = 0
        """In a row."""
        self._expired = False
        """What it was to follow from was gone, and nothing came since."""
        self._broke_at = 0.0
        self._absent_since: float | None = None
        """By when its kind was not served any more, though there were objects of it."""
        self._complete_at: float | None = None
        """All that happened up to then is told; None: nothing was listed yet."""
        self._watching: Watching | None = None

    def __len__(self) -> int:
        """Objects mirrored."""
        return len(self._mirror)

    def run(self) -> None:
        """Until stopped."""
        while not self._stopping.is_set():
            try:
                self._watch()
            except KubernetesNotFound as error:
                self._absent(None if self.watched.optional else str(error))
            except KubernetesDenied as error:
                if self._forgiven:
                    self._absent(None, until_gone=str(error))
                    log.info("%s is not watched: %s", self.watched.plural, error)
                else:
                    self._failed(error, at_once=True)
            except KubernetesGone as error:
                self._gone(error)
            except KubernetesError as error:
                self._failed(error)
            except Exception as error:
                log.exception("watching %s", self.watched.plural)
                self._version = None
                told = f"watching {self.watched.plural} failed: {type(error).__name__}: {error}; please tell maibo's makers"
                self._failed(KubernetesError(told), at_once=True)

    def stop(self) -> None:
        """Ends `run` soon; from any thread."""
        self._stopping.set()
        if self._watching is not None:
            self._watching.cancel()

    def _watch(self) -> None:
        """One connection, from a list or from where the one before ended."""
        if self.watched.optional and self._version is None and not self._cluster.serves(self.watched.resource):
            return self._absent(None)
        version = self._list() if self._version is None else self._version
        heard = self.figures.last_heard
        with self._cluster.watch(
            self.watched.resource,
            namespace=self.namespace,
            resource_version=version,
            # Not all at once: who began together would end together, each time.
            timeout_seconds=WATCH_SECONDS - round(60 * self._chance()),
        ) as watching:
            self._watching = watching
            if self._stopping.is_set():
                return None
            self._sees()
            begun = time.monotonic()
            try:
                for line in watching:
                    self._line(line)
            finally:
                lasted = time.monotonic() - begun
                if lasted > LONG_SECONDS:
                    self._works()
        if lasted < SHORT_SECONDS and self.figures.last_heard == heard and not self._stopping.is_set():
            raise KubernetesUnreachable(f"{self._cluster.address} ends each watch of {self.watched.plural} at once")
        return None

    def _list(self) -> str:
        wholes: list[dict[str, Any]] = []
        version = ""
        for page in self._cluster.list(self.watched.resource, namespace=self.namespace):
            wholes += [trimmed(self.watched.plural, each) for each in page.items]
            version = page.resource_version
        received, since = self._clock(), self._complete_at
        self.figures.relists += since is not None
        try:
            differing = self._mirror.listed(wholes)
        except ValueError as error:
            self.figures.malformed += 1
            raise KubernetesUnreachable(
                f"the list of {self.watched.plural} from {self._cluster.address} has {error}; what is between?"
            ) from error
        for type_, whole in differing:
            self._changed(type_, whole, received, listed=True, since=since)
        self._version, self._complete_at = version, received
        return version

    def _line(self, line: bytes) -> None:
        received = self._clock()
        try:
            said = _LINE.decode(line)
            if said.type == "ERROR":
                raise _refusal(said.object, self.watched.plural)
            version = said.object["metadata"]["resourceVersion"]
            if said.type != "BOOKMARK":
                whole = trimmed(self.watched.plural, said.object)
                type_ = self._mirror.heard(said.type, whole)
                if type_ is not None:
                    self._changed(type_, whole, received, listed=False)
        except (msgspec.DecodeError, ValueError, KeyError, TypeError) as error:
            # What it would have told is not known, so all is asked for.
            self.figures.malformed += 1
            self._version = None
            raise KubernetesUnreachable(
                f"a watch of {self.watched.plural} at {self._cluster.address} told what is no change ({line[:80]!r}); what is between?"
            ) from error
        self._version = str(version)
        self._works()
        self.figures.last_heard = self._complete_at = received

    def _changed(
        self, type_: ChangeType, whole: dict[str, Any], received: float, *, listed: bool, since: float | None = None
    ) -> None:
        self.figures.changes += 1
        self._tell(Change(self.watched.plural, type_, whole, received, listed, since))

    def _sees(self) -> None:
        self.problem = self._absent_since = None
        if not self.seen:
            self.seen = True
            self._tell(Sight(self.watched.plural, self.namespace, seen=True, at=self._clock()))

    def _works(self) -> None:
        self._failures = 0
        self._expired = False

    def _blind(self, at: float) -> None:
        if self.seen:
            self.seen = False
            self._tell(Sight(self.watched.plural, self.namespace, seen=False, at=at))

    def _gone(self, error: KubernetesGone) -> None:
        """Nothing failed, but much is not known: list at once, unless that is of no use."""
        self._version = None
        self._blind(self._clock())
        if self._expired:
            self._failed(error)
        self._expired = True

    def _failed(self, error: KubernetesError, *, at_once: bool = False) -> None:
        """The first failure after it worked is no news: load balancers and API servers end connections."""
        if self._stopping.is_set():
            return
        self.figures.restarts += 1
        if self._failures == 0:
            self._broke_at = self._clock()
        self._failures += 1
        log.debug("watching %s: %s", self.watched.plural, error)
        if at_once or self._failures > 1:
            self.problem = str(error)
        if self.problem is not None or self._version is None:
            self._blind(self._broke_at)
        longest = min(FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), LONGEST_PAUSE_SECONDS)
        least = DENIED_PAUSE_SECONDS if isinstance(error, KubernetesDenied) else 0.0
        if isinstance(error, KubernetesRefused) and error.retry_after is not None:
            least = min(error.retry_after, LONGEST_PAUSE_SECONDS)
        self._pause(least + longest * self._chance())

    def _absent(self, problem: str | None, *, until_gone: str = "") -> None:
        """There is nothing of the kind, and it cannot be made; or there was until now, and nobody says what became of it: `until_gone` is then
        the problem.
        """
        self._version = None
        self.problem = problem
        now = self._clock()
        self._blind(now)
        if len(self._mirror):
            self._absent_since = now if self._absent_since is None else self._absent_since
            if now - self._absent_since < GONE_SECONDS:
                self.problem = (
                    problem or until_gone or f"{self._cluster.address} does not serve {self.watched.plural} any more"
                )
                self._pause(GONE_PAUSE_SECONDS * (0.5 + self._chance() / 2))
                return
        for type_, whole in self._mirror.listed(()):
            self._changed(type_, whole, now, listed=True, since=self._complete_at)
        self._absent_since = None
        self._pause(ABSENT_PAUSE_SECONDS * (0.5 + self._chance() / 2))


class _Line(msgspec.Struct):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: dict[str, Any]


_LINE: Final = msgspec.json.Decoder(_Line)


def _refusal(status: dict[str, Any], plural: str) -> KubernetesRefused:
    """A ``metav1.Status`` that came where a change should be."""
    code, reason, message = (status.get(key) for key in ("code", "reason", "message"))
    text = f"the watch of {plural} ended with an error ({code}): {message or reason}"
    made = KubernetesGone if code == 410 or reason in ("Expired", "Gone") else KubernetesRefused
    return made(text, status=code if isinstance(code, int) else 0, reason=str(reason or ""))
