"""Objects of Kubernetes as the text of a file: in the order they were written in, each in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class _Full(yaml.SafeDumper):
    """Without anchors: what two objects share is written in both, so that each can be read and changed alone."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 -- as PyYAML calls it
        """Whatever it is."""
        return True


def text(objects: Iterable[Mapping[str, Any]]) -> str:
    """YAML, a document an object."""
    return "---\n".join(
        yaml.dump(dict(each), Dumper=_Full, sort_keys=False, allow_unicode=True, width=1_000) for each in objects
    )
