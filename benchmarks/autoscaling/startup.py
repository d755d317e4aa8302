"""How long a pod takes from its creation until it serves, by stage. Each stage is a lognormal, told by its median and P90.

| stage | median, P90 | from |
|---|---|---|
| new node, where there is no room | 70 s, 120 s | practitioners' 45-90 s on Karpenter plus registration; a cluster-autoscaler's 3-5 min is `CLUSTER_AUTOSCALER` |
| image pull, on a node that has not run it | 4 s, 9 s | kubelet's own `Pulled` events of a few hundred MB; none where it is cached |
| scheduling, sandbox, container start | 0.9 s, 1.6 s | SIG-scalability's SLO: P99 of 5 s, with the image there |
| application until its first probe succeeds | 1.0 s, 1.8 s | a service that keeps a pool of connections; then the probe's period (1 s) and endpoints |

"1-5 s on a warm node with the image" is what the middle two and the last come to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator

COLD_SECONDS = 135
"""P90 of what a start takes where a node has to come, by the stages of `KARPENTER`."""
P90_Z = 1.2815515655446004


@dataclass(frozen=True, slots=True)
class Stage:
    """Seconds."""

    median: float
    p90: float

    def draw(self, random: Generator) -> float:
        return self.median * math.exp(math.log(self.p90 / self.median) / P90_Z * float(random.standard_normal()))


@dataclass(frozen=True, slots=True)
class StartUp:
    node: Stage = Stage(70, 120)
    pull: Stage = Stage(4, 9)
    container: Stage = Stage(0.9, 1.6)
    application: Stage = Stage(1.0, 1.8)
    probe_seconds: float = 1.0
    endpoints_seconds: float = 0.3
    """Until every proxy sends to it."""

    def warm(self, random: Generator) -> float:
        """On a node that has room and the image."""
        probe = self.probe_seconds * float(random.random())
        return self.container.draw(random) + self.application.draw(random) + probe + self.endpoints_seconds


KARPENTER = StartUp()
CLUSTER_AUTOSCALER = StartUp(node=Stage(200, 290))
