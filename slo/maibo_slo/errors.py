"""The errors of maibo-slo.

* MaiboError
    * DocumentsError     documents that cannot be used; holds every problem found, not the first alone
    * RecurrenceError    a rule by which something comes again that is none, or never comes (documents/recurrence.py)
    * StoreError
        * StoreInUse     another process owns the embedded store
        * StoreSchemaError   the store's schema is newer than this code, or a migration failed
    * TokensError        a token file that cannot be used, or a token that cannot be made or revoked
    * ServiceError       the running service cannot be reached, or answered with a problem
    * SourceError        a source cannot tell an SLO's counts (engine/feeding)
        * SourceUnreachable   nobody answers there
    * NoSignal           there is nothing that a scaler may act upon (engine/scaling/signal.py)
        * UnknownTarget      no such ScalingTarget
    * KubernetesError    a cluster's API cannot be used as asked; its leaves are in kubernetes.py
    * DemoError          the demo could not be run (demo/children.py)
"""


class MaiboError(Exception):
    """Anything a person can mend; its text says what was being done, what was wrong, and the mend."""


class StoreError(MaiboError):
    """The store refused or could not do what was asked."""


class StoreInUse(StoreError):  # noqa: N818 -- the name says what is so
    """Another process owns the embedded store."""


class StoreSchemaError(StoreError):
    """The store's schema does not fit this code."""


class TokensError(MaiboError):
    """A token file that cannot be used, or a token that cannot be made or revoked."""


class ServiceError(MaiboError):
    """The running service cannot be reached, or answered with a problem."""
