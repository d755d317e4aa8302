"""An alert in a person's words: what customers feel, since when, how fast the budget burns, what changed, where to look.

`tell` makes a message of `Facts`; `as_annotations` hands it to an alert; `message_of` has it back at the destination. What is not known is
left out, never invented, and no number is shown more exactly than it helps.
"""

from maibo_alerting.wording.facts import Change, Facts, Link, Message, Waiting
from maibo_alerting.wording.notice import as_annotations, message_of, summary_of
from maibo_alerting.wording.phrases import LOCALES, Locale, phrases
from maibo_alerting.wording.telling import tell

__all__ = [
    "LOCALES",
    "Change",
    "Facts",
    "Link",
    "Locale",
    "Message",
    "Waiting",
    "as_annotations",
    "message_of",
    "phrases",
    "summary_of",
    "tell",
]
