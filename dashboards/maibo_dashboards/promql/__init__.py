"""What the dashboards ask a Prometheus that scrapes maibo's `/metrics`, one module a subject; only what is told there.

Counts are summed before anything is divided, and a division without events has no sample, neither 0 nor NaN.
"""
