"""The errors of maibo-dashboards.

* MaiboError (of maibo-slo)
    * DashboardError     a dashboard breaks the rules of `render`; a fault of this distribution, never of a document
"""

from maibo_slo.errors import MaiboError


class DashboardError(MaiboError):
    """A generated dashboard breaks the rules that every dashboard keeps."""
