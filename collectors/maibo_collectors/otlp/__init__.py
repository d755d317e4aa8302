"""The OTLP collector: telemetry in over HTTP and gRPC, counts out.

::

    senders ──▶ acceptor processes ──▶ write-ahead log ──▶ drain, in the core process ──▶ store
                receiving, decoding    log, segment        draining
                                                           edge (in its place, without a store)

An acceptor counts what is in a body and says 200 once that is on the disk; the drain adds it up, each body once. `acceptor` and what it imports know nothing of
the store, so that they start quickly, stay small and never load the embedded engine.
"""
