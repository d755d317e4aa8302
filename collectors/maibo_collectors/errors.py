"""The errors of maibo-collectors.

* CollectorError
    * AddressError       an address that cannot be listened on, or must not be
    * LogUnavailable     the write-ahead log cannot take a record now; the sender keeps it and comes again
"""


class CollectorError(Exception):
    """Anything a person can mend; its text says what was being done, what was wrong, and the mend."""


class AddressError(CollectorError):
    """An address that cannot be listened on, or must not be."""


class LogUnavailable(CollectorError):  # noqa: N818 -- the name says what is so
    """The write-ahead log cannot take a record now: nothing of it was acknowledged."""
