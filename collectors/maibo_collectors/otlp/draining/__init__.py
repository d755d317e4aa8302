"""Sealed segments of the log into the store, each body once."""
