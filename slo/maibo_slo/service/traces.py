"""Links from a trace to wherever traces are looked at: ``maibo serve --trace-url 'https://jaeger/trace/{trace_id}'``.

What is put into the template is escaped, and the template's own braces, quotes and blanks are too: what comes out is an address over
HTTP and nothing else, whatever the template was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from maibo_slo.errors import MaiboError

SETTING: Final = "--trace-url"
TRACE, SPAN = "{trace_id}", "{span_id}"
_ADDRESS: Final = ":/?#[]@!$&'()*+,;=%{}"
"""What stays as it is in an address; braces until the ids are in."""


@dataclass(frozen=True, slots=True)
class TraceLinks:
    """Made by `trace_links`."""

    template: str = ""

    def of(self, trace_id: str, span_id: str) -> str | None:
        """Where this trace is looked at; None without a template."""
        if not self.template:
            return None
        linked = self.template.replace(TRACE, quote(trace_id, safe="")).replace(SPAN, quote(span_id, safe=""))
        return linked.replace("{", "%7B").replace("}", "%7D")


def trace_links(template: str) -> TraceLinks:
    """From the setting; '' makes no links. MaiboError when it is no template of an address over HTTP."""
    if not template:
        return TraceLinks()
    try:
        address = urlsplit(template)
        server = address.hostname
    except ValueError as error:
        raise MaiboError(f"{SETTING} is {template!r}: {error}") from error
    if address.scheme not in {"http", "https"} or not server or TRACE in address.netloc:
        raise MaiboError(
            f"{SETTING} is {template!r}; it must be an address such as https://jaeger.example/trace/{TRACE}"
        )
    if TRACE not in template:
        raise MaiboError(f"{SETTING} is {template!r}, without {TRACE}: say where the id of a trace goes in it")
    return TraceLinks(quote(template, safe=_ADDRESS, errors="replace"))
