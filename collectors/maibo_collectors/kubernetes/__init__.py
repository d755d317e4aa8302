"""Watch a cluster: what scales, how fast, and what runs."""
