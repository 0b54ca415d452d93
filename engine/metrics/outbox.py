"""Metrics of what goes out to servers, not to phones: mails and callbacks."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry

from engine.metrics.kinds import Counts, Few, Gauges

ENDPOINTS: Final = 100
"""So many endpoints have labels of their own."""


class Outbox:
    """Mails and callbacks that wait, went out, or never will."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._mails_waiting = Gauges("siaran_mails_waiting", "Mails in the outbox", (), registry)
        self._mails_oldest = Gauges(
            "siaran_mails_oldest_seconds",
            "How long the oldest mail has been in the outbox; 0: none is there",
            (),
            registry,
        )
        self._mails_sent = Counts(
            "siaran_mails_sent_total", "Mails that the mail server took", (), registry
        )
        self._mail_failures = Counts(
            "siaran_mail_failures_total",
            "What went wrong: with a mail (recipient, content, time-out) or with the mail server",
            ("reason",),
            registry,
        )
        self._mails_dead = Counts(
            "siaran_mails_dead_total",
            "Mails that were refused or given up; each is kept, and somebody should look",
            (),
            registry,
        )
        self._mail_server = Gauges(
            "siaran_mail_server_up",
            "0 while the mail server can't be used: it doesn't answer, or refuses us",
            (),
            registry,
            first=1,
        )
        endpoint = ("endpoint",)
        self._callbacks_waiting = Gauges(
            "siaran_callbacks_waiting",
            "Events in the outbox of an endpoint (application/kind), counted up to 100,000",
            endpoint,
            registry,
        )
        self._callbacks_oldest = Gauges(
            "siaran_callbacks_oldest_seconds",
            "How long the oldest of them has been there; 0: none is",
            endpoint,
            registry,
        )
        self._callbacks = Counts(
            "siaran_callbacks_total",
            "Events by what became of them: done; failed: tried again later; dead: kept aside",
            ("endpoint", "result"),
            registry,
        )
        self._callback_failures = Counts(
            "siaran_callback_failures_total",
            "Posts that told nobody, by why: a status, time-out, connection, name, TLS, private, oauth",
            ("endpoint", "reason"),
            registry,
        )
        self._endpoint_up = Gauges(
            "siaran_endpoint_up",
            "0 while an endpoint is left alone, because it fails time after time, or is suspended",
            endpoint,
            registry,
        )
        self._endpoint_suspended = Gauges(
            "siaran_endpoint_suspended",
            "1 while nothing is posted to an endpoint until a person has seen to it",
            endpoint,
            registry,
        )
        self._few = Few(ENDPOINTS)
        self._left_alone: set[str] = set()

    def callbacks(self, found: Mapping[str, tuple[int, float, bool]]) -> None:
        """By endpoint: how much waits, for how many seconds, and whether it is suspended."""
        named = {(self._few(name),): value for name, value in found.items()}
        self._callbacks_waiting.replace({name: value[0] for name, value in named.items()})
        self._callbacks_oldest.replace({name: value[1] for name, value in named.items()})
        self._endpoint_suspended.replace({name: value[2] for name, value in named.items()})
        self._left_alone &= set(found)
        down = {(self._few(name),) for name in self._left_alone}
        self._endpoint_up.replace(
            {name: not value[2] and name not in down for name, value in named.items()}
        )

    def callbacks_told(self, endpoint: str, done: int, failed: int, dead: int) -> None:
        """What became of some events is written."""
        name = self._few(endpoint)
        for result, n in (("done", done), ("failed", failed), ("dead", dead)):
            if n:
                self._callbacks.add((name, result), n)

    def callback_failed(self, endpoint: str, reason: str) -> None:
        """A post told nobody; `reason` is one of few words."""
        self._callback_failures.add((self._few(endpoint), reason))

    def endpoint(self, endpoint: str, *, up: bool) -> None:
        """Whether an endpoint is posted to, or left alone for a while."""
        self._endpoint_up.set((self._few(endpoint),), up)
        (self._left_alone.discard if up else self._left_alone.add)(endpoint)

    def suspended(self, endpoint: str) -> None:
        """A person has to see to an endpoint."""
        self._endpoint_suspended.set((self._few(endpoint),), 1)
        self._endpoint_up.set((self._few(endpoint),), 0)

    def mails(self, waiting: int, oldest_s: float) -> None:
        """What is in the outbox."""
        self._mails_waiting.set((), waiting)
        self._mails_oldest.set((), oldest_s)

    def mail_sent(self) -> None:
        """The mail server has taken one."""
        self._mails_sent.add(())

    def mail_failed(self, reason: str) -> None:
        """A mail could not be sent, or none could; `reason` is one of few words."""
        self._mail_failures.add((reason,))

    def mail_dead(self) -> None:
        """A mail will not be sent."""
        self._mails_dead.add(())

    def mail_server(self, *, up: bool) -> None:
        """Whether the mail server can be used."""
        self._mail_server.set((), up)
