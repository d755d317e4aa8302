"""Dashboards as Grafana's own components draw them; for developers and the docs, never installed."""
