"""How much of the time scrubbing takes (R-9.3)."""

from __future__ import annotations

import pytest

from engine.operations import retention


@pytest.mark.parametrize("took_s", [0.001, 0.02, 0.05, 0.5, 5.0])
def test_scrubbing_rests_longer_the_longer_its_pieces_take(took_s: float) -> None:
    """Where the database has much to do, a campaign goes first: it has a twentieth at most."""
    pause_s = retention.pause_s(took_s)
    assert pause_s >= retention.PAUSE_S
    assert took_s / (took_s + pause_s) <= retention.SHARE + 1e-9
