"""When the database is away, and when it is back (R-8.1)."""

from engine.domain.outage import AGAIN_S, SILENT_S, STEADY_S, Outage


def failing(outage: Outage, number: int, at: float, *, writes: bool = True) -> bool:
    """A turn that begins, fails and is put back; whether it is said."""
    outage.begun(number, at)
    told = outage.failed(number, at, writes=writes)
    outage.put_back(number, number)
    return told


def committing(outage: Outage, number: int, at: float, *, wrote: bool = True) -> bool:
    """A turn that begins and commits; whether the database is back by that."""
    outage.begun(number, at)
    return outage.committed(number, at, wrote=wrote)


def test_an_outage_is_said_once_and_again_every_half_minute() -> None:
    outage = Outage()
    assert not committing(outage, 1, 0.0)
    told = [failing(outage, n, n * 1.0) for n in range(2, 70)]
    assert [2 + n for n, one in enumerate(told) if one] == [2, 2 + AGAIN_S, 2 + 2 * AGAIN_S]
    assert committing(outage, 70, 70.0)
    assert not outage.away
    assert not committing(outage, 71, 71.0)
    assert failing(outage, 72, 72.0), "another one is said at once"


def test_what_is_refused_by_a_full_disk_has_to_be_taken_before_it_is_back() -> None:
    """Turns that have nothing to write commit all the while."""
    outage = Outage()
    assert failing(outage, 1, 0.0)
    assert not committing(outage, 2, 0.5, wrote=False)
    assert not failing(outage, 3, 1.0)
    assert not committing(outage, 4, 1.5, wrote=False)
    assert outage.away
    assert committing(outage, 5, 2.0)


def test_a_turn_that_began_before_the_other_failed_proves_nothing() -> None:
    outage = Outage()
    outage.begun(1, 0.0)
    outage.begun(2, 0.0)
    outage.failed(1, 0.0, writes=True)
    assert not outage.committed(2, 0.1, wrote=True)
    outage.put_back(1, 2)
    assert committing(outage, 3, 0.6)


def test_a_turn_beside_one_that_has_what_was_refused_proves_nothing() -> None:
    outage = Outage()
    failing(outage, 1, 0.0)
    outage.begun(2, 0.0)
    assert not committing(outage, 3, 0.5), "2 may fail again"
    assert not outage.failed(2, 0.6, writes=True)
    outage.put_back(2, 3)
    outage.begun(4, 0.0)
    outage.begun(5, 0.0)
    assert outage.committed(4, 0.9, wrote=True)
    assert not outage.committed(5, 1.0, wrote=True)


def test_where_nothing_was_lost_any_turn_is_proof() -> None:
    """The turn that found it away had nothing in its hands but free slots."""
    outage = Outage()
    failing(outage, 1, 0.0, writes=False)
    assert committing(outage, 2, 0.5, wrote=False)


def test_half_a_minute_without_a_failure_is_proof_too() -> None:
    """Refused receipts may never come again; then nothing has to be written."""
    outage = Outage()
    failing(outage, 1, 0.0)
    assert not committing(outage, 2, STEADY_S - 1, wrote=False)
    assert committing(outage, 3, STEADY_S, wrote=False)


def test_a_commit_that_was_asked_for_is_proof() -> None:
    outage = Outage()
    outage.begun(1, 0.0)
    assert outage.failed(1, 0.0, writes=True)
    assert outage.answered(1)
    assert not outage.away


def test_a_turn_that_waits_and_waits_is_an_outage_too() -> None:
    """The server is there and says nothing."""
    outage = Outage()
    outage.begun(1, 0.0)
    assert not outage.silent(SILENT_S - 0.1)
    assert outage.silent(SILENT_S)
    assert outage.away
    assert not outage.silent(SILENT_S + 1), "said once"
    assert outage.silent(SILENT_S + AGAIN_S)
    assert outage.committed(1, 40.0, wrote=False)
    assert not outage.silent(41.0)
