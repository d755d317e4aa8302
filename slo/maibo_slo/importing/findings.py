"""What an import has to tell: what could not be read, what has no equivalent, what was changed.

Nothing of a file is dropped in silence: whoever reads a mapping names the fields it knows, and `Findings.leave_out` tells the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from maibo_slo.documents.fields import Text
from maibo_slo.documents.problems import Problem, Report
from maibo_slo.importing.values import says

if TYPE_CHECKING:
    from collections.abc import Collection

    from maibo_slo.documents.fields import Fields

NO_EQUIVALENT: Final = "has no equivalent"
_OF_THE_CLUSTER: Final = (
    "name",
    "namespace",
    "generateName",
    "uid",
    "selfLink",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
    "finalizers",
    "managedFields",
)
"""What Kubernetes' metadata says of where an object is, not of what the SLO is."""


@dataclass(frozen=True, slots=True)
class Findings:
    """`unread` makes the import fail; the others are told beside its documents, however many: a thousand SLOs may each have some."""

    unread: Report = field(default_factory=Report)
    lost: list[Problem] = field(default_factory=list)
    changed: list[Problem] = field(default_factory=list)

    def problems(self) -> tuple[Problem, ...]:
        """Everything, in the order of file and line."""
        return tuple(sorted({*self.unread.problems(), *self.lost, *self.changed}))

    def lose(self, fields: Fields, name: str, message: str = NO_EQUIVALENT, mend: str = "") -> None:
        """Tell that this field is not in the documents that come out."""
        self.lost.append(_told(_key(fields, name), message, mend))

    def lose_at(self, place: Text, message: str) -> None:
        """As `lose`, of something that is read already."""
        self.lost.append(_told(place, message, ""))

    def change(self, fields: Fields, name: str, message: str, mend: str = "") -> None:
        """Tell that this field is in the documents, but otherwise than it was."""
        self.changed.append(_told(_key(fields, name), message, mend))

    def change_at(self, place: Text, message: str) -> None:
        """As `change`, of something that is read already."""
        self.changed.append(_told(place, message, ""))

    def leave_out(self, fields: Fields, known: Collection[str]) -> None:
        """Tell every field of the mapping that is not a known one, if it says anything."""
        for name in fields.node.values:
            if name not in known and says(fields, name):
                self.lose(fields, name)

    def leave_out_of_metadata(self, head: Fields, known: Collection[str] = ()) -> None:
        """`leave_out`, for the metadata of a Kubernetes object."""
        self.leave_out(head, (*_OF_THE_CLUSTER, *known))


def _key(fields: Fields, name: str) -> Text:
    return Text(name, fields.node.keys.get(name, fields.at), fields.path_of(name))


def _told(place: Text, message: str, mend: str) -> Problem:
    """Made by a report of its own, which bounds and escapes what files say; one for all would end at a thousand."""
    report = Report()
    report.warning(place.at, place.path, message, mend)
    return report.problems()[0]
