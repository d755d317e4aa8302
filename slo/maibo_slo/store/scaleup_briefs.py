"""Scale-ups without their pods one by one: what lists and figures of many are made of.

The engine takes ``detail`` apart where it lies: a decision that added a hundred pods has as short a row here as one that added two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from maibo_slo.store import events
from maibo_slo.store.scaleups import KIND, Brief, Moment, Pods, PodState, ScaleUpState, Stage
from maibo_slo.store.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maibo_slo.store.client import Store


def briefs(store: Store, which: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, Brief]]:
    """Those of these kinds, which are `KIND` alone, and ids, as they are known now, with their versions. StoreError."""
    found = {}
    for _, ids in events.batches(which):
        rows = store.rows(
            f"SELECT id, version, subject, {_FIELDS} FROM (SELECT e.id AS id, e.version AS version, e.subject AS subject, "  # noqa: S608 -- fixed words
            f"JSONExtract(e.detail, '{_TOLD}') AS told FROM events AS e FINAL WHERE e.kind = {{kind:String}} AND e.id IN {{ids:Array(String)}})",
            {"kind": KIND, "ids": ids, "states": [state.value for state in PodState]},
        )
        for row in rows:
            found[KIND, row[0]] = int(row[1]), _brief(row)
    return found


_MOMENT: Final = "Tuple(Float64, Float64, Nullable(Float64), String)"
_MAYBE: Final = "Tuple(Nullable(Float64), Nullable(Float64), Nullable(Float64), String)"
_TOLD: Final = (
    "Tuple(before Int64, after Int64, by String, reason String, state String, ended Nullable(Float64), why_censored String, "
    f"skews Int64, version String, notes Array(String), half {_MAYBE}, most {_MAYBE}, moments Map(String, {_MOMENT}), "
    "pods Array(Tuple(state String, node_provisioned Bool, unschedulable String, moments Map(String, Tuple(Float64)))))"
)
"""Of ``detail``: parsed once, for it may have the moments of a thousand pods."""
_FIELDS: Final = (
    "told.before, told.after, told.by, told.reason, told.moments, arrayMap(state -> countEqual(told.pods.state, state), {states:Array(String)}), "
    "arrayDistinct(arrayFlatten(arrayMap(moments -> mapKeys(moments), told.pods.moments))), "
    "arrayExists(pod -> pod.node_provisioned OR (pod.unschedulable != '' AND NOT mapContains(pod.moments, 'scheduled')), told.pods), "
    "arrayReduce('maxOrNull', arrayMap(moment -> moment.1, arrayFlatten(arrayMap(moments -> mapValues(moments), told.pods.moments)))), "
    "told.state, told.half, told.most, told.ended, told.why_censored, told.skews, told.version, told.notes"
)


def _brief(row: Sequence[Any]) -> Brief:
    id_, _, subject, before, after, by, reason, moments, states, reached, waited, last, *rest = row
    state, half, most, ended, why_censored, skews, version, notes = rest
    return Brief(
        id_,
        Workload.of(subject),
        before,
        after,
        by,
        reason,
        {stage: Moment(*found) for stage in _STAGES if (found := moments.get(stage)) is not None},
        Pods(
            {each: many for each, many in zip(PodState, states, strict=True) if many},
            frozenset(map(Stage, reached)),
            bool(waited),
            last,
        ),
        ScaleUpState(state),
        _moment(half),
        _moment(most),
        ended,
        why_censored,
        skews,
        version,
        tuple(notes),
    )


_STAGES: Final = tuple(Stage)


def _moment(found: tuple[float | None, float | None, float | None, str]) -> Moment | None:
    earliest, latest, received, source = found
    return None if earliest is None or latest is None else Moment(earliest, latest, received, source)
