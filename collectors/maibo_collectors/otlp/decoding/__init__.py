"""A body to what it counts: spans, log records and data points, in protobuf and JSON, classified and tallied."""
