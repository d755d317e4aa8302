"""OpenSLO v1 ``Service``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maibo_slo.documents.document import Document, description
from maibo_slo.documents.kinds import Service

if TYPE_CHECKING:
    from maibo_slo.documents.document import Known


def service(document: Document, _known: Known) -> Service:
    """Read the document's spec, which need not be there."""
    head = document.head
    spec = document.fields.mapping("spec", required=False)
    result = Service(head.name, head.display_name, description(spec), head.labels, head.origin)
    spec.close()
    return result
