"""Grafana dashboards, generated from the documents."""
