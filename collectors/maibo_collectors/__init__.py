"""Collectors observe the world and write counts and events."""
