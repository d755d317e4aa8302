"""Grafana dashboards from the documents: `maibo generate dashboards`."""
