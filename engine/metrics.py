"""What Prometheus sees. Every name and its meaning; labels are bounded by the configuration."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BIND_STATES = ("connecting", "bound", "waiting", "refused", "stopped")

# Seconds: carriers answer within milliseconds on a good day and within a minute on a bad one.
LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one engine."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._binds = Gauge(
            "siaran_binds",
            "1 for the state that a bind is in",
            ("carrier", "bind", "state"),
            registry=self.registry,
        )
        self._outcomes = Counter(
            "siaran_submit_outcomes_total",
            "Segments by the command_status that answered them",
            ("carrier", "status"),
            registry=self.registry,
        )
        self._latency = Histogram(
            "siaran_submit_latency_seconds",
            "From submit_sm to its response",
            ("carrier",),
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._launched = Counter(
            "siaran_segments_launched_total", "Segments launched", registry=self.registry
        )
        self._receipts = Counter(
            "siaran_receipts_total",
            "Receipts by what they say; parked: no submission known (yet)",
            ("state",),
            registry=self.registry,
        )
        self._inbound = Counter(
            "siaran_mo_total",
            "MO by what became of them: stored, or a redelivery",
            ("effect",),
            registry=self.registry,
        )
        self._meanings = Counter(
            "siaran_mo_meanings_total",
            "MO in the inbox by what they were taken for: opt-out, near miss, keyword, reply, …",
            ("meaning",),
            registry=self.registry,
        )
        self._effects = Counter(
            "siaran_mo_effects_total",
            "What MO have done: opted out, opted in, blacklisted, off the blacklist, joined",
            ("effect",),
            registry=self.registry,
        )
        self._responses = Counter(
            "siaran_auto_responses_total",
            "Auto-responses by their level: general, optout, optin, help, list, keyword",
            ("kind",),
            registry=self.registry,
        )
        self._requests = Counter(
            "siaran_api_requests_total",
            "Requests of the HTTP API by the status that answered them",
            ("status",),
            registry=self.registry,
        )
        self._queue = Gauge(
            "siaran_queue_messages",
            "Messages that wait to be launched",
            ("application",),
            registry=self.registry,
        )
        self._turn = Histogram(
            "siaran_turn_seconds",
            "Duration of a turn, its commit included",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
            registry=self.registry,
        )
        self.clock_skew = Gauge(
            "siaran_clock_skew_seconds",
            "The node's clock against the database's: positive when it is ahead",
            registry=self.registry,
        )
        self.database_up = Gauge(
            "siaran_database_up", "1 while the database answers", registry=self.registry
        )
        self._alerts = Counter(
            "siaran_carrier_alerts_total",
            "What a person should look at: refused binds, answers that mean a wrong configuration",
            ("carrier", "reason"),
            registry=self.registry,
        )
        self._troubles = Counter(
            "siaran_bind_troubles_total",
            "What went wrong on a bind: no connection, a refusal, an answer that makes no sense",
            ("carrier", "bind", "reason"),
            registry=self.registry,
        )
        self._rate = Gauge(
            "siaran_carrier_rate",
            "PDUs a second that a carrier is sent at most: now, and as configured; 0: no limit",
            ("carrier", "which"),
            registry=self.registry,
        )
        self._mails_waiting = Gauge(
            "siaran_mails_waiting", "Mails in the outbox", registry=self.registry
        )
        self._mails_oldest = Gauge(
            "siaran_mails_oldest_seconds",
            "How long the oldest mail has been in the outbox; 0: none is there",
            registry=self.registry,
        )
        self._mails_sent = Counter(
            "siaran_mails_sent_total", "Mails that the mail server took", registry=self.registry
        )
        self._mail_failures = Counter(
            "siaran_mail_failures_total",
            "What went wrong: with a mail (recipient, content, time-out) or with the mail server",
            ("reason",),
            registry=self.registry,
        )
        self._mails_dead = Counter(
            "siaran_mails_dead_total",
            "Mails that were refused or given up; each is kept, and somebody should look",
            registry=self.registry,
        )
        self._mail_server = Gauge(
            "siaran_mail_server_up",
            "0 while the mail server can't be used: it doesn't answer, or refuses us",
            registry=self.registry,
        )
        self._mail_server.set(1)
        self._carriers: dict[int, str] = {}

    def name_carrier(self, carrier_id: int, name: str) -> None:
        """Says which carrier a number stands for."""
        self._carriers[carrier_id] = name

    def bind_state(self, carrier: str, bind: str, state: str) -> None:
        """A bind has entered a state."""
        for each in BIND_STATES:
            self._binds.labels(carrier, bind, each).set(1 if each == state else 0)

    def forget_bind(self, carrier: str, bind: str) -> None:
        """A bind is no longer configured."""
        for each in BIND_STATES:
            self._binds.remove(carrier, bind, each)

    def alert(self, carrier: str, reason: str) -> None:
        """Something about a carrier that a person should look at."""
        self._alerts.labels(carrier, reason).inc()

    def trouble(self, carrier: str, bind: str, reason: str, n: int = 1) -> None:
        """Something went wrong on a bind; `reason` is one of few words."""
        self._troubles.labels(carrier, bind, reason).inc(n)

    def rate(self, carrier: str, now: float, configured: float) -> None:
        """How fast a carrier is sent to, and may be."""
        self._rate.labels(carrier, "now").set(now)
        self._rate.labels(carrier, "configured").set(configured)

    def submit_latency(
        self, carrier: str, items: Sequence[tuple[object, int, str | None, float]]
    ) -> None:
        """Responses of one read. The last one stands for the batch: it waited longest."""
        self._latency.labels(carrier).observe(items[-1][3])

    def turn(
        self,
        seconds: float,
        launched: int,
        outcomes: Iterable[tuple[tuple[int, str], int]],
        receipts: Iterable[tuple[str, int]],
    ) -> None:
        """A turn has committed."""
        self._turn.observe(seconds)
        self._launched.inc(launched)
        for (carrier_id, status), n in outcomes:
            self._outcomes.labels(self._carriers.get(carrier_id, "?"), status).inc(n)
        self.receipts(receipts)

    def receipts(self, receipts: Iterable[tuple[str, int]]) -> None:
        """Receipts have been taken, by a turn or later by the sweep."""
        for state, n in receipts:
            self._receipts.labels(state).inc(n)

    def inbound(self, effect: str, n: int) -> None:
        """MO have been stored, or known already."""
        self._inbound.labels(effect).inc(n)

    def decided(
        self, meanings: Mapping[str, int], effects: Mapping[str, int], responses: Mapping[str, int]
    ) -> None:
        """What MO were taken for, what they have done, and which responses they get."""
        for counter, found in (
            (self._meanings, meanings),
            (self._effects, effects),
            (self._responses, responses),
        ):
            for word, n in found.items():
                counter.labels(word).inc(n)

    def request(self, status: int) -> None:
        """A request of the HTTP API was answered."""
        self._requests.labels(str(status)).inc()

    def queue(self, depths: Iterable[tuple[str, int]]) -> None:
        """How much waits in each application."""
        for application, n in depths:
            self._queue.labels(application).set(n)

    def mails(self, waiting: int, oldest_s: float) -> None:
        """What is in the outbox."""
        self._mails_waiting.set(waiting)
        self._mails_oldest.set(oldest_s)

    def mail_sent(self) -> None:
        """The mail server has taken one."""
        self._mails_sent.inc()

    def mail_failed(self, reason: str) -> None:
        """A mail could not be sent, or none could; `reason` is one of few words."""
        self._mail_failures.labels(reason).inc()

    def mail_dead(self) -> None:
        """A mail will not be sent."""
        self._mails_dead.inc()

    def mail_server(self, *, up: bool) -> None:
        """Whether the mail server can be used."""
        self._mail_server.set(up)
