"""The errors of maibo-collectors.

* CollectorError
    * LogUnavailable     the write-ahead log cannot take a record now; the sender keeps it and comes again
"""


class CollectorError(Exception):
    """Anything a person can mend; its text says what was being done, what was wrong, and the mend."""


class LogUnavailable(CollectorError):  # noqa: N818 -- the name says what is so
    """The write-ahead log cannot take a record now: nothing of it was acknowledged."""
