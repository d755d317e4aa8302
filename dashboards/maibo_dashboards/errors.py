"""The errors of maibo-dashboards.

* MaiboError (of maibo-slo)
    * DashboardError     a dashboard breaks the rules of `render`; a fault of this distribution, never of a document
    * OutputError        a file cannot be written as asked: an option is wrong, or a dashboard too large for its form
    * GrafanaError       a Grafana did not do what was asked of it; another dashboard may fare better
        * NotAllowed     it does not know the token, or the token may not do this
        * Unreachable    nobody answers there, or not now
"""

from maibo_slo.errors import MaiboError


class DashboardError(MaiboError):
    """A generated dashboard breaks the rules that every dashboard keeps."""


class OutputError(MaiboError):
    """A file cannot be written as asked."""


class GrafanaError(MaiboError):
    """A Grafana did not do what was asked of it."""


class NotAllowed(GrafanaError):  # noqa: N818 -- the name says what is so
    """The token is not known, or may not do this."""


class Unreachable(GrafanaError):  # noqa: N818 -- the name says what is so
    """Nobody answers there, or not now."""

    def __init__(self, message: str, *, again: bool, after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.again = again
        """Whether it may be asked again in a moment."""
        self.after_seconds = after_seconds
        """How long it wants to be left alone."""
