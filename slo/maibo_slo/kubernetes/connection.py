"""The official client, set up by a kubeconfig or by the pod's own account."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maibo_slo.kubernetes.calls import first_line
from maibo_slo.kubernetes.errors import KubernetesSettingsError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

AUTO: Final = "auto"
_SERVICE_HOST: Final = "KUBERNETES_SERVICE_HOST"


def client_of(config: str, context: str) -> ApiClient:
    """KubernetesSettingsError."""
    try:
        from kubernetes.client import ApiClient, Configuration
        from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
    except ImportError as error:
        raise KubernetesSettingsError(
            f"the Kubernetes client is not installed ({error}): pip install 'maibo-slo[kubernetes]'"
        ) from error
    from yaml import YAMLError

    path = _path(config)
    configuration = Configuration()
    try:
        if path is None:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # this part has no types
        else:
            load_kube_config(  # type: ignore[no-untyped-call]  # neither has this
                config_file=path,
                context=context or None,
                client_configuration=configuration,
                persist_config=False,  # a kubeconfig is its owner's: nothing is written into it
            )
    except (ConfigException, YAMLError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        where = "the pod's service account" if path is None else f"the kubeconfig {path}"
        raise KubernetesSettingsError(
            f"{where} cannot be used{f' with the context {context!r}' if context else ''}: {first_line(error)}; "
            "`kubectl version` with the same one tells whether it works at all"
        ) from error
    configuration.retries = False  # whoever asks knows better when to ask again
    configuration.keep_alive = True
    configuration.connection_pool_maxsize = 32
    return ApiClient(configuration)


def _path(config: str) -> str | None:
    """Of the kubeconfig; None: the pod's own account."""
    if config != AUTO:
        missing = [each for each in config.split(os.pathsep) if each and not Path(each).expanduser().is_file()]
        if missing:
            raise KubernetesSettingsError(
                f"there is no kubeconfig {missing[0]}: give --kubernetes the path of one, or 'auto'"
            )
        return config
    told = os.environ.get("KUBECONFIG", "")
    if told:
        return _path(told)
    if os.environ.get(_SERVICE_HOST):
        return None
    own = Path("~/.kube/config").expanduser()
    if own.is_file():
        return str(own)
    raise KubernetesSettingsError(
        f"no cluster was found: KUBECONFIG is not set, this is no pod ({_SERVICE_HOST} is not set), and there is no {own}; "
        "--kubernetes says which cluster: give it the path of a kubeconfig"
    )
