"""On-call destinations by the ``type`` that a configuration gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maibo_alerting.delivery.apprise import Apprise
from maibo_alerting.delivery.dingtalk import DingTalk
from maibo_alerting.delivery.email import Email
from maibo_alerting.delivery.feishu import Feishu
from maibo_alerting.delivery.pagerduty import PagerDuty
from maibo_alerting.delivery.slack import Slack
from maibo_alerting.delivery.wecom import WeCom

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maibo_alerting.delivery.destination import Destination, Secrets

ADAPTERS: Final[Mapping[str, Callable[[Mapping[str, object], Secrets], Destination]]] = {
    "apprise": Apprise.of,
    "dingtalk": DingTalk.of,
    "email": Email.of,
    "feishu": Feishu.of,
    "lark": Feishu.of,
    "pagerduty": PagerDuty.of,
    "slack": Slack.of,
    "wecom": WeCom.of,
}
"""`DeliveryError` for settings that do not fit: it names the field and the mend."""
