"""`siaran carrier receipts`: what could not be carried out, and why (R-5.8)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from engine.operations import Database
from engine.store import nodes, settling
from engine.store.settling import Parked
from tests.desk.conftest import Siaran

LONG_AGO = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def parked(database: Database) -> Iterator[None]:
    """A carrier with two receipts that wait."""

    def park(tx: object) -> None:
        carrier = nodes.carrier_id(tx, "tui-kept")  # type: ignore[arg-type]
        one = Parked(carrier, ("0A1", "a1"), "64211", "delivered", "DELIVRD", "000", LONG_AGO)
        other = one._replace(ids=("B2",), ambiguous=True, stat=None)
        settling.park(tx, [one, other])  # type: ignore[arg-type]

    database.run(park)
    yield
    database.run(lambda tx: settling.purge_parked(tx, datetime.now(UTC), 100))


@pytest.mark.usefixtures("parked")
def test_they_are_listed_with_their_reason(siaran: Siaran) -> None:
    found = siaran("carrier", "receipts", "tui-kept", "--json")
    assert {(one["smsc_id"], one["why"]) for one in found.json} == {
        ("0A1", "unknown"),
        ("B2", "ambiguous"),
    }
    found = siaran("carrier", "receipts", "tui-kept", "--unknown")
    assert found.code == 0
    assert "0A1" in found.out
    assert "B2" not in found.out


@pytest.mark.usefixtures("parked")
def test_a_carrier_that_never_was_is_named(siaran: Siaran) -> None:
    found = siaran("carrier", "receipts", "tui-kep")
    assert found.code == 1
    assert 'carrier "tui-kep" not found; did you mean tui-kept' in found.err
