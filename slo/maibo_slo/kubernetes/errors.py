"""What can go wrong with a cluster's API; the tree is drawn in the package's own words."""

from __future__ import annotations

from maibo_slo.errors import MaiboError


class KubernetesError(MaiboError):
    """The cluster's API cannot be used as asked."""


class KubernetesSettingsError(KubernetesError):
    """There is no configuration, it is wrong, or the client is not installed."""


class KubernetesUnreachable(KubernetesError):  # noqa: N818 -- the name says what is so
    """Nobody answers, or the connection broke off."""


class KubernetesRefused(KubernetesError):  # noqa: N818 -- the name says what is so
    """The API answered with an error."""

    def __init__(self, text: str, *, status: int, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
        """Kubernetes' own word: ``Forbidden``, ``Expired``, ``Conflict``, ``TooManyRequests``."""
        self.retry_after = retry_after
        """Seconds that the server asks to wait; None: it does not say."""


class KubernetesDenied(KubernetesRefused):
    """401 or 403: this account may not."""


class KubernetesNotFound(KubernetesRefused):
    """404."""


class KubernetesGone(KubernetesRefused):
    """410: what was seen last is too long ago."""
