"""Rule files for Prometheus: how they are written, and what they count where Prometheus itself counts an SLO's events."""
