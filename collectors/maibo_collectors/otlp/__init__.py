"""The OTLP collector: telemetry in over HTTP and gRPC, counts out.

::

    senders ──▶ acceptor processes ──▶ write-ahead log ──▶ drain, in the core process ──▶ store
                http, grpc, decoders   log, segment        batch, content, merge, drain
                tally                                      forward (at the edge, in its place)

An acceptor counts what is in a body and says 200 once that is on the disk; the drain adds it up, each body once. `acceptor` and what it imports know nothing of
the store, so that they start quickly, stay small and never load the embedded engine.
"""
