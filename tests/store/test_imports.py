"""What is staged is what was read, whatever characters it has (R-1.3)."""

from __future__ import annotations

import uuid

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.domain.csvfile import fault_of
from engine.store import imports
from engine.store.db import Tx
from engine.store.imports import Staged
from tests.road import Road

PARAMS = st.lists(st.text(max_size=50), max_size=6).filter(lambda params: not fault_of(params))
NASTY = ("\\", '"', '\\"', '","', "\\n", "\\N", "\n", "{}", "NULL", "'", "é", "\u2028", "", " ")


def staged(road: Road, rows: list[Staged]) -> list[Staged]:
    """The rows as they come out again."""
    import_id = uuid.uuid4()

    def go(tx: Tx) -> list[Staged]:
        imports.stage(tx, import_id, rows)
        found = tx.execute(
            "SELECT line, mobile, params, mapped FROM import_row WHERE import_id = %s ORDER BY line",
            (import_id,),
        ).fetchall()
        assert imports.count(tx, import_id) == len(found)
        imports.discard(tx, import_id)
        return [
            Staged(line, mobile, tuple(params), mapped) for line, mobile, params, mapped in found
        ]

    return road.database.run(go)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lists=st.lists(PARAMS, max_size=20))
def test_any_params_come_out_as_they_went_in(road: Road, lists: list[list[str]]) -> None:
    rows = [Staged(n, f"+{n}", tuple(params), n % 2 == 0) for n, params in enumerate(lists)]
    assert staged(road, rows) == rows


def test_characters_that_mean_something_to_copy_or_to_arrays(road: Road) -> None:
    rows = [Staged(n, "+64211234567", (text, "x", text), True) for n, text in enumerate(NASTY)]
    assert staged(road, rows) == rows
    assert staged(road, [Staged(1, "+64211234567", NASTY[:6], False)])[0].params == NASTY[:6]
