"""Metrics of what goes out to servers, not to phones: mails."""

from prometheus_client import CollectorRegistry

from engine.metrics.kinds import Counts, Gauges


class Outbox:
    """Mails that wait, went out, or never will."""

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
