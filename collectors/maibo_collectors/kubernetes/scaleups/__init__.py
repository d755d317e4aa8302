"""Scale-ups from what a cluster's watches tell: `Assembly`.

reading       an object's fields, with suspicion       ─┐
occurrences   Events, to the nanosecond                 │ what is told
rotation      EndpointSlices                            │
writers       who wrote spec.replicas                  ─┘
pods          one pod's moments                        ─┐
workloads     decisions, and what was wanted when       │ what is known
deciders      what HPAs and KEDA say of it              │
cluster       all workloads, pods and nodes            ─┘
attribution   whose pod is whose, and why all others   ─┐ what follows from it, at a time
outcome       the record                               ─┘
assembly      all of it
"""

from maibo_collectors.kubernetes.scaleups.assembly import Assembly

__all__ = ["Assembly"]
