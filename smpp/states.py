"""Who may say what in which state (SMPP 3.4 §2.2, §2.3, table 2-1).

One table, for both roles: we look up ours before we send, and the other side's when something
arrives. Responses are not in it; a response is legal when its request is outstanding.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from smpp.pdu import Command as C
from smpp.pdu import Mode


class Role(StrEnum):
    """The two ends of a session."""

    ESME = "esme"
    SMSC = "smsc"


class State(StrEnum):
    """The life of a session. TX, RX, TRX are seen from the ESME."""

    OPEN = "open"
    BINDING = "binding"
    BOUND_TX = "bound_tx"
    BOUND_RX = "bound_rx"
    BOUND_TRX = "bound_trx"
    UNBINDING = "unbinding"
    CLOSED = "closed"


BOUND: Final[Mapping[int, State]] = MappingProxyType(
    {
        Mode.TRANSMITTER: State.BOUND_TX,
        Mode.RECEIVER: State.BOUND_RX,
        Mode.TRANSCEIVER: State.BOUND_TRX,
    }
)

_EITHER: Final = frozenset({C.DATA_SM, C.ENQUIRE_LINK, C.UNBIND})
_SENDING: Final = frozenset({C.SUBMIT_SM, C.SUBMIT_MULTI, C.QUERY_SM, C.CANCEL_SM, C.REPLACE_SM})
_RECEIVING: Final = frozenset({C.DELIVER_SM, C.ALERT_NOTIFICATION})
_NOTHING: Final[frozenset[C]] = frozenset()

MAY_REQUEST: Final[Mapping[Role, Mapping[State, frozenset[C]]]] = MappingProxyType(
    {
        Role.ESME: MappingProxyType(
            {
                State.OPEN: frozenset(
                    {C.BIND_TRANSMITTER, C.BIND_RECEIVER, C.BIND_TRANSCEIVER, C.ENQUIRE_LINK}
                ),
                State.BINDING: frozenset({C.ENQUIRE_LINK}),
                State.BOUND_TX: _EITHER | _SENDING,
                State.BOUND_RX: _EITHER,
                State.BOUND_TRX: _EITHER | _SENDING,
                State.UNBINDING: _EITHER | _SENDING,
                State.CLOSED: _NOTHING,
            }
        ),
        Role.SMSC: MappingProxyType(
            {
                State.OPEN: frozenset({C.OUTBIND, C.ENQUIRE_LINK}),
                State.BINDING: frozenset({C.ENQUIRE_LINK}),
                State.BOUND_TX: _EITHER,
                State.BOUND_RX: _EITHER | _RECEIVING,
                State.BOUND_TRX: _EITHER | _RECEIVING,
                State.UNBINDING: _EITHER | _RECEIVING,
                State.CLOSED: _NOTHING,
            }
        ),
    }
)
"""Requests by role and state. Two leniencies: enquire_link before the bind is done, which some
peers send; and while one side waits for unbind_resp, the other may finish what it was saying,
because the unbind and a deliver_sm can cross on the wire. The side that waits asks nothing more:
see `may_send`."""


def other(role: Role) -> Role:
    """The role at the far end."""
    return Role.SMSC if role is Role.ESME else Role.ESME


def may_send(role: Role, state: State) -> frozenset[C]:
    """The requests that we, being `role`, may send in this state."""
    return _NOTHING if state is State.UNBINDING else MAY_REQUEST[role][state]


def may_receive(role: Role, state: State) -> frozenset[C]:
    """The requests that we, being `role`, accept in this state."""
    return MAY_REQUEST[other(role)][state]
