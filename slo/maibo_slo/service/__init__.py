"""The service: what `maibo serve` runs. Questions and their answers, the API, the pages, ``/metrics``, and the plugins beside them."""
