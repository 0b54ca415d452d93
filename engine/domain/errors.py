"""The two errors that reach a person as one line: a refusal, and a service that is away."""


class Refused(Exception):
    """What was asked can't be done: bad data, not found, against a rule. Exit code 1.

    The message says what, where, why and what to do; it is printed as it stands.
    """


class Unreachable(Exception):
    """A service that is needed can't be reached now; the same may work later. Exit code 3.

    The message names the service (never a password) and what to check.
    """
