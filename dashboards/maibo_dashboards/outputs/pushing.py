"""Dashboards straight into a Grafana, so that pushing twice is as good as once.

A dashboard is read first, and written only where it differs, with the version that was read: who saved it in between is not overwritten
unseen, but read and compared anew. A write without an answer is looked for before it is tried again. What is no longer generated stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from maibo_dashboards.errors import GrafanaError, NotAllowed, Unreachable
from maibo_dashboards.outputs.differences import differences, plain
from maibo_dashboards.outputs.folder import folder_uid
from maibo_dashboards.outputs.grafana import ROLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from maibo_dashboards.outputs.grafana import Grafana

MESSAGE: Final = "maibo dashboards push"
"""What the dashboard's history says."""
PAGE: Final = 1000
"""Folders in one answer."""
MOST_PAGES: Final = 100
ATTEMPTS: Final = 3
"""At a dashboard that others save at the same time."""
_CONFLICTS: Final = frozenset({409, 412})
Result = Literal["new", "changed", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the dashboards go."""

    title: str
    uid: str
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a dashboard, or would."""

    uid: str
    title: str
    result: Result
    differences: tuple[str, ...] = ()
    """In words; of a new one, what is on it."""
    url: str = ""
    why: str = ""
    """Why it failed."""


@dataclass(frozen=True, slots=True)
class _Found:
    document: Mapping[str, Any]
    folder_uid: str
    folder_title: str
    url: str
    provisioned: str
    """The file that it comes from; '' when it comes from none."""


def folder(grafana: Grafana, title: str, *, dry_run: bool) -> Folder:
    """The folder of our uid, or else one of this title at the top; made where there is neither, unless `dry_run`.

    Folders are listed, since Grafana answers some roles 403 or 500 for one that is not there.
    """
    uid = folder_uid(title)
    if not uid:
        return Folder("", "")
    there = [*_folders(grafana)]
    for said in there:
        if said.get("uid") == uid:
            return Folder(str(said.get("title", title)), uid)
    named = [said for said in there if said.get("title") == title]
    if len(named) > 1:
        raise GrafanaError(f"{grafana.url} has {len(named)} folders called {title!r}; choose another with --folder")
    if named:
        return Folder(title, str(named[0].get("uid", "")))
    if not dry_run:
        grafana.trying(lambda: _make_folder(grafana, title, uid))
    return Folder(title, uid, is_new=True)


def _folders(grafana: Grafana) -> Iterator[Mapping[str, Any]]:
    for page in range(1, MOST_PAGES + 1):
        answer = grafana.get(f"/api/folders?limit={PAGE}&page={page}", "read folders")
        said = _wanted(grafana, answer.status, answer.said, list, "read folders", answer.message)
        yield from (each for each in said if isinstance(each, dict))
        if len(said) < PAGE:
            return


def _make_folder(grafana: Grafana, title: str, uid: str) -> None:
    doing = f"make the folder {title!r}"
    answer = grafana.ask("POST", "/api/folders", doing, {"uid": uid, "title": title})
    if answer.status in _CONFLICTS:
        # It is there, but not at the top: somebody moved it, or our own first try was taken and not answered.
        found = grafana.get(f"/api/folders/{uid}", f"read the folder {title!r}")
        if found.status == 200:
            return
    _wanted(grafana, answer.status, answer.said, dict, doing, answer.message)


def push(grafana: Grafana, documents: Iterable[Mapping[str, Any]], place: Folder, *, dry_run: bool) -> Iterator[Pushed]:
    """Each dashboard in turn: one that fails does not keep the others. NotAllowed and Unreachable end it, as they would fail all."""
    for document in documents:
        try:
            yield _one(grafana, document, place, dry_run=dry_run)
        except (NotAllowed, Unreachable):
            raise
        except GrafanaError as error:
            yield Pushed(document["uid"], document["title"], "failed", why=str(error))


def _one(grafana: Grafana, ours: Mapping[str, Any], place: Folder, *, dry_run: bool) -> Pushed:
    uid, title = ours["uid"], ours["title"]
    first: Pushed | None = None
    """What was found before anything was tried."""
    there: _Found | None = None

    def step() -> Pushed | None:
        nonlocal first, there
        there = _find(grafana, uid)
        now = _compared(there, ours, place)
        first = first or now
        if now.result == "unchanged":
            return (
                first if first.result == "unchanged" else Pushed(uid, title, first.result, first.differences, now.url)
            )
        if there is not None and there.provisioned:
            raise GrafanaError(
                f"{title}: Grafana reads it from a file ({there.provisioned}) and takes no other; leave it to that, or take the file away"
            )
        if dry_run:
            return now
        url = _save(grafana, ours, there, place)
        return None if url is None else Pushed(uid, title, first.result, first.differences, url)

    for _ in range(ATTEMPTS):
        if (done := grafana.trying(step)) is not None:
            return done
    if there is None:
        raise GrafanaError(f"{title}: it is there, and {grafana.url} does not let the token read it; {ROLE}")
    raise GrafanaError(f"{title}: somebody else saves it at the same time, {ATTEMPTS} times; try again in a while")


def _compared(there: _Found | None, ours: Mapping[str, Any], place: Folder) -> Pushed:
    uid, title = ours["uid"], ours["title"]
    if there is None:
        panels = sum(panel["type"] != "row" for panel in ours["panels"])
        return Pushed(uid, title, "new", (f"{panels} panels",))
    moved = (f"folder: {there.folder_title!r} -> {place.title or 'none'!r}",) if there.folder_uid != place.uid else ()
    told = moved + differences(there.document, ours)
    return Pushed(uid, title, "changed" if told else "unchanged", told, there.url)


def _find(grafana: Grafana, uid: str) -> _Found | None:
    """None where there is none, or none to be seen: to an Editor, Grafana 10 says 403 of both. Writing it tells them apart."""
    doing = f"read the dashboard {uid}"
    answer = grafana.get(f"/api/dashboards/uid/{quote(uid, safe='')}", doing, forbidden_too=True)
    if answer.status in {403, 404}:
        return None
    said = _wanted(grafana, answer.status, answer.said, dict, doing, answer.message)
    document, meta = said.get("dashboard"), said.get("meta")
    if not isinstance(document, dict) or not isinstance(meta, dict):
        raise GrafanaError(f"{grafana.url} answered without a dashboard, asked to {doing}; is this a Grafana?")
    is_top = str(meta.get("folderUid") or "general") == "general"
    return _Found(
        document,
        "" if is_top else str(meta.get("folderUid")),
        "none" if is_top else str(meta.get("folderTitle", "")),
        str(meta.get("url", "")),
        plain(str(meta.get("provisionedExternalId") or "?")) if meta.get("provisioned") else "",
    )


def _save(grafana: Grafana, ours: Mapping[str, Any], there: _Found | None, place: Folder) -> str | None:
    """Its path in Grafana; None when somebody else saved it since it was read."""
    doing = f"write the dashboard {ours['uid']}"
    known = {} if there is None else {key: there.document.get(key) for key in ("id", "version")}
    dashboard = {key: value for key, value in ours.items() if key not in {"id", "version"}} | {"id": None} | known
    answer = grafana.ask(
        "POST",
        "/api/dashboards/db",
        doing,
        {"dashboard": dashboard, "folderUid": place.uid, "overwrite": False, "message": MESSAGE},
    )
    said = answer.said if isinstance(answer.said, dict) else {}
    if answer.status in _CONFLICTS:
        if said.get("status") == "name-exists":
            raise GrafanaError(
                f"{ours['title']}: the folder {place.title!r} has another dashboard of that name; rename or delete it, or choose another "
                "with --folder"
            )
        if said.get("status", "version-mismatch") == "version-mismatch":
            return None
    return str(_wanted(grafana, answer.status, said, dict, doing, answer.message).get("url", ""))


def _wanted(grafana: Grafana, status: int, said: Any, kind: type, doing: str, message: str) -> Any:
    """What was said, where it is what was asked for."""
    if status != 200 or not isinstance(said, kind):
        told = f": {message}" if message and status != 404 else "; is this a Grafana, from 10 on?"
        raise GrafanaError(f"{grafana.url} answered {status}, asked to {doing}{told}")
    return said
