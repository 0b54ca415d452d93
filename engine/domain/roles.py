"""Who may do what: viewers read, operators send, admins configure.

Roles guard against mistakes; the border is the database's login and the API's credentials. An
application without users is open: everybody may do everything in it. Once it has one, whoever asks
must be one of its users, also to read.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Role(StrEnum):
    """Each may all that the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


_RANK: Final = {role: rank for rank, role in enumerate(Role)}

ADMINS: Final = frozenset(
    {
        # nouns that configure
        "app",
        "callback",
        "carrier",
        "hours",
        "keyword",
        "node",
        "optout-command",
        "prefix",
        "response",
        "sender",
        "setting",
        "user",
        # and what sends to somebody again who wants nothing
        "blacklist.remove",
        "campaign.send-to-opted-out",
        "member.optin",
    }
)
"""What needs an admin, as the log names it: a noun with all its verbs, or one `noun.verb`."""

A: Final[Mapping[Role, str]] = MappingProxyType(
    {Role.VIEWER: "a viewer", Role.OPERATOR: "an operator", Role.ADMIN: "an admin"}
)
"""The roles in a sentence."""


def needed(action: str | None) -> Role:
    """The least role that may do `action` (`list.create`); None is reading.

    >>> needed("setting.set")
    <Role.ADMIN: 'admin'>
    """
    if action is None:
        return Role.VIEWER
    noun = action.partition(".")[0]
    return Role.ADMIN if noun in ADMINS or action in ADMINS else Role.OPERATOR


def may(role: Role, action: str | None) -> bool:
    """Whether somebody of that role may do `action`."""
    return _RANK[role] >= _RANK[needed(action)]
