"""How dashboards leave maibo: as files of several forms, with what Grafana is provisioned by, or straight into a Grafana."""
