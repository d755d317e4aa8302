"""`maibo journey explain`: what a captured payload would count, and why the rest would not."""
