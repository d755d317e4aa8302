"""Files of objects: whoever reads or changes one object has all of it before them."""

from __future__ import annotations

from typing import Any

import yaml

from maibo_slo.signals import objects


def test_what_two_objects_share_is_written_in_both() -> None:
    shared = {"apiGroups": ["apps"]}
    made: list[dict[str, Any]] = [
        {"kind": "Role", "rules": [{**shared, "verbs": ["get"]}, {**shared, "verbs": ["patch"]}]},
        {"kind": "Other"},
    ]
    text = objects.text(made)
    assert "&" not in text
    assert "*" not in text
    assert list(yaml.safe_load_all(text)) == made
