"""Under ``opentelemetry-instrument``: maibo switches itself on, from the environment alone, after the host's SDK is set up."""

from __future__ import annotations


def post_instrument() -> None:
    """The ``opentelemetry_post_instrument`` entry point; an application that calls `maibo.configure` itself replaces this."""
    from maibo import configuration

    if not configuration.configured():
        configuration.configure()
