"""Counts from elsewhere: sources are asked for the minutes that have closed, and the engine is offered what they say.

A source is whoever can tell the good and bad events of an SLO's minutes: a Prometheus (`maibo_slo.sources`), or a plugin's own. It is asked
for the present first, once a minute, and then for the past, newest first and in bounded chunks, as far as the SLO's window reaches. How far
that has got is remembered over a restart, once the engine has taken it in. Guarantees:

* every closed minute within reach is asked for, however long a source was down: what is missing is asked for when it is back;
* until then those minutes are no data, neither good nor bad;
* the last ten minutes are looked at again with each new one, so that what reached the source late is counted too;
* a source that hangs delays its own SLOs alone, and of a Prometheus those alone that have the same data source: up to eight places are asked
  at once, so when eight hang, the others wait.

`Feeder.run` asks in threads; `Feeder.round` is one round of it, for a clock of one's own.
"""

from maibo_slo.engine.feeding.feed import CHUNK_SECONDS, LOOK_BACK_SECONDS
from maibo_slo.engine.feeding.feeder import Feeder
from maibo_slo.engine.feeding.source import Offer, Source, SourceError, SourceUnreachable

__all__ = ["CHUNK_SECONDS", "LOOK_BACK_SECONDS", "Feeder", "Offer", "Source", "SourceError", "SourceUnreachable"]
