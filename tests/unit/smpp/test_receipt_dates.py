"""The dates of receipts in the forms of wire.md, rule 5."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp import receipt_dates

AT = datetime(2026, 9, 5, 14, 30)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2609051430", AT),
        ("260905143012", AT.replace(second=12)),
        ("202609051430", AT),
        ("200101010030", datetime(2020, 1, 1, 1, 0, 30)),
        ("20260905143012", AT.replace(second=12)),
        ("260905143012300+", AT.replace(second=12, microsecond=300_000, tzinfo=UTC)),
        (
            "260905143012022-",
            AT.replace(second=12, tzinfo=timezone(timedelta(hours=-5, minutes=-30))),
        ),
        ("2026-09-05 14:30:12", AT.replace(second=12)),
        ("2026-09-05T14:30", AT),
        ("2026-09-05 14:30:00+00:00", AT.replace(tzinfo=UTC)),
        ("20260905 1430", AT),
        (" 2609051430 DELIVRD", AT),
        ("0000000000", None),
        ("000000000000", None),
        ("2602311430", None),
        ("2609", None),
        ("260905143012000R", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_forms(value: str, expected: datetime | None) -> None:
    assert receipt_dates.read(value) == expected


@given(st.text(st.sampled_from("0123456789 -+R:T."), max_size=30))
def test_nonsense_is_none(value: str) -> None:
    found = receipt_dates.read(value)
    assert found is None or found.year >= 1


def test_written_as_appendix_b_has_it() -> None:
    assert receipt_dates.write(AT) == "2609051430"
