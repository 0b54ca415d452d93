"""What keeps messages of a campaign from going out in this turn, though there is room (R-3.9, R-3.10).

Its rate, the daily quota and the frequency cap of its application, and the hours of each recipient.
One turn at a time has a slow rate or a quota in hand, and two a fast rate; another one passes its
campaigns by, and never waits.
Of a campaign with none of these nothing here asks the database for anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from engine.domain.hours import RecipientHours
from engine.store import hours, launching, limiting
from engine.store.db import Tx
from engine.store.launching import ASIDE, NOT_JUDGED, Candidate, Origin

_hours: dict[int, RecipientHours] = {}
"""By application, over the turns: it remembers prefixes of numbers."""


class Limits:
    """The limits of one turn."""

    __slots__ = ("_now", "_paces", "_quotas", "_tx", "_within")

    def __init__(self, tx: Tx, now: datetime) -> None:
        self._tx = tx
        self._now = now
        self._paces: dict[int, limiting.Paces] = {}
        self._quotas: dict[int, limiting.Use | None] = {}
        self._within: dict[int, RecipientHours | None] = {}

    def most(self, origin: Origin, free: int) -> int:
        """How many messages of an origin may go out, at most `free`."""
        if origin.rate is None and origin.quota is None:
            return free
        if origin.quota is not None:
            use = self._use(origin)
            free = min(free, 0 if use is None else use.left(int(origin.quota)))
        pace = self._pace(origin)
        return free if pace is None else pace.allowed(free)

    def launched(self, origin: Origin, candidates: Sequence[Candidate]) -> None:
        """These go out."""
        pace, use = self._pace(origin), self._use(origin)
        if pace is not None:
            pace.sent(len(candidates))
        if use is not None:
            use.n += sum(candidate.attempt == 0 for candidate in candidates)
            limiting.note_use(self._tx, origin.application_id, use)

    def of_due(self, origin: Origin, candidates: list[Candidate]) -> list[Candidate]:
        """Those that may go out now; the others are put off."""
        if origin.recipient_time:
            candidates, _ = self.inside(origin, candidates, len(candidates))
        if origin.rate is None and origin.quota is None:
            return candidates
        most = self.most(origin, len(candidates))
        if most < len(candidates):
            at = self._again(origin, len(candidates) - most)
            launching.put_on_routes(
                self._tx, [(one.id, at, NOT_JUDGED) for one in candidates[most:]]
            )
        return candidates[:most]

    def inside(
        self, origin: Origin, found: Sequence[Candidate], most: int
    ) -> tuple[list[Candidate], int]:
        """The first `most` of them who may be sent to by their own clocks; how many were looked at.

        The others are put aside until their hours open; what the SMSC has a part of is not (R-4.1).
        """
        within = self._recipients(origin.application_id)
        if within is None:
            return list(found[:most]), min(most, len(found))
        ready: list[Candidate] = []
        aside: list[tuple[int, datetime, int]] = []
        looked = 0
        for candidate in found:
            opens = None if candidate.accepted else within.opens(candidate.mobile, self._now)
            if opens is not None:
                aside.append((candidate.id, opens, ASIDE))
            elif len(ready) < most:
                ready.append(candidate)
            else:
                break
            looked += 1
        launching.put_on_routes(self._tx, aside)
        return ready, looked

    def unwanted(
        self, origin: Origin, candidates: Sequence[Candidate], unwanted: Mapping[str, str]
    ) -> dict[str, str]:
        """Who must get nothing, with the cap, and without who has opted out where that is wanted."""
        reasons = dict(unwanted)
        if origin.opted_out:
            reasons = {mobile: why for mobile, why in reasons.items() if why != "opted out"}
        if origin.cap is not None and origin.campaign_id is not None:
            fresh = [one.mobile for one in candidates if one.attempt == 0]
            for mobile in limiting.over_cap(
                self._tx,
                origin.application_id,
                origin.campaign_id,
                fresh,
                int(origin.cap),
                self._now,
            ):
                reasons.setdefault(mobile, "frequency cap")
        return reasons

    def _pace(self, origin: Origin) -> limiting.Paces | None:
        """The pace of a campaign with a rate."""
        campaign_id = origin.campaign_id
        if origin.rate is None or campaign_id is None:
            return None
        pace = self._paces.get(campaign_id)
        if pace is None:
            pace = limiting.Paces(self._tx, campaign_id, origin.rate, self._now)
            self._paces[campaign_id] = pace
        return pace

    def _use(self, origin: Origin) -> limiting.Use | None:
        """What the application has launched today; None: no quota, or another turn has it."""
        if origin.quota is None:
            return None
        application_id = origin.application_id
        if application_id not in self._quotas:
            self._quotas[application_id] = limiting.take_use(self._tx, application_id, self._now)
        return self._quotas[application_id]

    def _again(self, origin: Origin, n: int) -> datetime:
        """When what is over may be looked at again."""
        use = self._use(origin)
        if use is not None and origin.quota is not None and not use.left(int(origin.quota)):
            return use.tomorrow
        return self._now + timedelta(seconds=min(1.0, n / origin.rate) if origin.rate else 1.0)

    def _recipients(self, application_id: int) -> RecipientHours | None:
        """The application's hours for each recipient; None: it has none."""
        if application_id not in self._within:
            mine = hours.in_force(self._tx, application_id)
            main = limiting.main_zones(self._tx, application_id)
            known = _hours.get(application_id)
            if mine is not None and (known is None or (known.hours, known.main) != (mine, main)):
                known = _hours[application_id] = RecipientHours(mine, main)
            self._within[application_id] = None if mine is None else known
        return self._within[application_id]
