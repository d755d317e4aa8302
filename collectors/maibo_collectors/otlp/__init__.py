"""The OTLP collector: spans in over HTTP, counts out.

::

    senders ──▶ acceptor processes ──▶ write-ahead log ──▶ drain, in the core process ──▶ cells
                http, body, spans      log, segment        aggregate, drain

An acceptor says 200 once a body is on the disk; the drain counts each body once. `acceptor` and what it imports know nothing of
the store, so that they start quickly, stay small and never load the embedded engine.
"""
