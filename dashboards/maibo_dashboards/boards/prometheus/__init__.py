"""The same dashboards for a Prometheus that scrapes maibo's `/metrics`: fewer panels, for what is not told there is left out.

What they share with those for ClickHouse, they share by its name: scales, colours, titles. Latencies are in seconds, as Prometheus has them.
"""
