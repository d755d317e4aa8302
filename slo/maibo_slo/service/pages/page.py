"""What is known of a page before its data: what it is about, when, in which language, and the addresses that its shell offers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from maibo_slo.engine.hindsight import minute_of
from maibo_slo.service.flows import utc
from maibo_slo.service.pages import language, links, ranges, units
from maibo_slo.service.pages.language import gettext
from maibo_slo.service.pages.ranges import WINDOWS, Range
from maibo_slo.store.cells import Window, tier_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import Request

REFRESH: Final = "refresh"
OFF: Final = "off"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some links of which at most one is where the reader is."""

    name: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A page that somebody asked for."""

    title: str
    base: str
    """Where the service is mounted, '' mostly."""
    place: str
    """Which of `links.PLACES` it belongs to."""
    here: Callable[[Mapping[str, str]], str]
    """Its own address with this in its query, beside what it is about."""
    range: Range
    asked_at: float
    language: str
    paused: bool = False
    """Whether it was asked for without refreshing."""
    ranged: bool = True
    """Whether it is about a stretch of time; else it only carries one on."""

    @property
    def begin(self) -> float:
        """Unix s."""
        return self.range.begin

    @property
    def end(self) -> float:
        """Unix s: now, or what the address says."""
        return self.range.end

    @property
    def live(self) -> bool:
        """Whether it ends now."""
        return self.range.live

    @property
    def at(self) -> float | None:
        """Its end, where that is a moment of the past: for questions about what is else only known now."""
        return None if self.live else self.end

    @property
    def seconds(self) -> int:
        return self.range.seconds

    @property
    def whole(self) -> tuple[int, int]:
        """[begin, end) in whole seconds, as questions take it; one of the past ends with a whole cell, so that nothing after its end is counted."""
        begin, end = self.range.whole
        if self.live or self.end >= self.asked_at:
            return begin, end
        grain = tier_of(Window(begin, end), now=int(self.asked_at)).seconds
        end = end // grain * grain
        return min(begin, end - grain), end

    @property
    def minute(self) -> datetime:
        """End of the last minute that was over by its end: SLOs of the past are told as of then."""
        return utc(minute_of(self.end))

    @property
    def refreshing(self) -> bool:
        """Whether it asks for itself again: what is over stays as it is."""
        return self.live and not self.paused

    @property
    def carried(self) -> dict[str, str]:
        """What links to other pages carry: the range where it is not what this page shows anyway, and that it does not refresh."""
        query = {} if self.live and self.range.usual else self.range.query
        return query | ({REFRESH: OFF} if self.paused else {})

    @property
    def range_in_words(self) -> str:
        """``last 5 min``, or from when to when."""
        if self.live:
            return gettext("last %(time)s", time=units.period(self.seconds))
        return units.between(utc(self.begin), utc(self.end), now=utc(self.asked_at))

    @property
    def asked_time(self) -> str:
        return units.clock(datetime.fromtimestamp(self.asked_at, UTC))

    @property
    def asked_moment(self) -> str:
        """With its date, for a page that may be looked at tomorrow."""
        return units.dated(datetime.fromtimestamp(self.asked_at, UTC))

    @property
    def places(self) -> tuple[Choice, ...]:
        return tuple(
            Choice(gettext(title), links.place_href(path, base=self.base, carried=self.carried), path == self.place)
            for path, title in links.PLACES
        )

    @property
    def home(self) -> str:
        return links.overview_href(base=self.base, carried=self.carried)

    @property
    def windows(self) -> tuple[Choice, ...]:
        """The windows at a click; from a moment in the past they lead back to now."""
        return tuple(
            Choice(name, self._here({"window": name}), self.live and name == self.range.window) for name in WINDOWS
        )

    @property
    def earlier(self) -> str:
        return self._here(self.range.earlier())

    @property
    def later(self) -> str:
        """'' where it ends now."""
        query = self.range.later(self.asked_at)
        return "" if query is None else self._here(query)

    @property
    def now(self) -> str:
        """The same length until now; '' where it is that."""
        return "" if self.live else self._here(self.range.ended_by)

    @property
    def permalink(self) -> str:
        """Its very moment, for good."""
        return self.here(self.range.moment)

    @property
    def pause(self) -> str:
        """The same page that does not refresh, or does again."""
        return self.here(self.range.query if self.paused else {**self.range.query, REFRESH: OFF})

    @property
    def languages(self) -> tuple[tuple[str, str, str], ...]:
        """The others: code, what it calls itself, and this page in it."""
        return tuple(
            (language.TAGS[code], name, self._here({**self.range.query, "lang": code}))
            for code, name in language.LANGUAGES.items()
            if code != self.language
        )

    @property
    def tag(self) -> str:
        """The language, as HTML says it."""
        return language.TAGS[self.language]

    @property
    def action(self) -> str:
        """Where the form of a range of one's own is sent to."""
        return urlsplit(self.here({})).path

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What that form keeps."""
        return [*parse_qsl(urlsplit(self.here({})).query), *([(REFRESH, OFF)] if self.paused else [])]

    @property
    def fields(self) -> tuple[str, str, str]:
        """Begin, end and now as a browser's picker wants them, in UTC."""
        moments = (self.begin, self.end, self.asked_at)
        return tuple(f"{utc(int(at)):%Y-%m-%dT%H:%M:%S}" for at in moments)  # type: ignore[return-value]  # three

    def _here(self, query: Mapping[str, str]) -> str:
        return self.here({**query, REFRESH: OFF} if self.paused else query)


def page(
    request: Request,
    title: str,
    here: Callable[[Mapping[str, str]], str],
    *,
    place: str,
    now: float,
    usual: str = ranges.DEFAULT_WINDOW,
    ranged: bool = True,
) -> Page:
    """What a request asks for; `usual` is the window where it says none. A title that is a message is translated."""
    asked = request.query_params
    spoken = language.chosen(
        asked.get("lang"), request.cookies.get(language.COOKIE), request.headers.get("accept-language", "")
    )
    with language.speaking(spoken):
        found = ranges.asked(asked, now=now, usual=usual)
        titled = language.translated(title)
    return Page(
        title=titled,
        base=base_of(request),
        place=place,
        here=here,
        range=found,
        asked_at=now,
        language=spoken,
        paused=asked.get(REFRESH) == OFF,
        ranged=ranged,
    )


def base_of(request: Request) -> str:
    """Where the service is mounted, '' mostly."""
    return str(request.scope.get("root_path", ""))
