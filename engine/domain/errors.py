"""The errors that reach a person as one line: a refusal, and a service that is away.

Some refusals have names of their own, for programs: they are a status of the HTTP API.
"""


class Refused(Exception):
    """What was asked can't be done: bad data, not found, against a rule. Exit code 1.

    The message says what, where, why and what to do; it is printed as it stands.
    """


class NotFound(Refused):
    """What was named is not there, or not of this application; nobody is told which."""


class Forbidden(Refused):
    """Somebody else of the application may do it (`domain.roles`)."""


class Unreachable(Exception):
    """A service that is needed can't be reached now; the same may work later. Exit code 3.

    The message names the service (never a password) and what to check.
    """
