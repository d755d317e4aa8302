"""A collector without a store: the log's bodies sent on to a collector that has one."""
