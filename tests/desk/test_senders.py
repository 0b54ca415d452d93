"""Senders at the desk (R-2.6)."""

from __future__ import annotations

import pytest

from engine.operations import Actor, Database
from tests.desk.conftest import Siaran


@pytest.mark.parametrize(
    ("address", "ton", "npi"),
    [("3700", 3, 0), ("+64211234567", 1, 1), ("0211234567", 0, 1), ("Siaran", 5, 0)],
)
def test_ton_and_npi_follow_from_the_address(
    siaran: Siaran, address: str, ton: int, npi: int
) -> None:
    """R-2.6: each sender with its TON and NPI."""
    sender = siaran("sender", "add", address, "--json").json
    assert (sender["ton"], sender["npi"]) == (ton, npi)


@pytest.mark.parametrize(
    "address", ["", "ABCDEFGHIJKL", "12", "+0211234567", "Sia\x1bran", "1" * 16, "Sj\u00f6"]
)
def test_what_can_be_no_address_is_refused(siaran: Siaran, address: str) -> None:
    """R-2.6: a mask has at most 11 characters."""
    answer = siaran("sender", "add", address)
    assert answer.code == 1
    assert "can't be an address" in answer.err
    assert "\x1b" not in answer.err


def test_the_first_is_the_default_and_there_is_one_default(siaran: Siaran) -> None:
    """R-2.6: one of them the default."""
    siaran("sender", "add", "3700")
    siaran("sender", "add", "Siaran", "--default")
    listed = {s["address"]: s["is_default"] for s in siaran("sender", "ls", "--json").json}
    assert listed == {"Siaran": True, "3700": False}
    assert siaran("sender", "edit", "3700", "--default", "--json").json["is_default"] is True
    assert [s["is_default"] for s in siaran("sender", "ls", "--json").json] == [True, False]


def test_the_default_is_not_deleted_and_another_is_after_a_yes(siaran: Siaran) -> None:
    """R-2.6: a campaign without a sender must find one."""
    siaran("sender", "add", "3700")
    siaran("sender", "add", "3701")
    assert "is the default" in siaran("sender", "delete", "3700", "--yes").err
    unanswered = siaran("sender", "delete", "3701")
    assert unanswered.code == 1
    assert "--yes" in unanswered.err
    assert siaran("sender", "delete", "3701", "--yes").code == 0
    assert "did you mean 3700" in siaran("sender", "delete", "370", "--yes").err


def test_a_dedicated_sender_belongs_to_one_application(siaran: Siaran) -> None:
    """A reply to it has to have one owner (R-6.1); 3774 is the fresh installation's."""
    assert "another application" in siaran("sender", "add", "3774").err
    siaran("sender", "add", "Siaran")
    assert "nobody can answer" in siaran("sender", "edit", "Siaran", "--dedicated").err
    assert siaran("sender", "ls", "--app", "default", "--json").json[0]["dedicated"] is True


def test_a_sender_that_a_campaign_waits_for_stays(
    siaran: Siaran, database: Database, actor: Actor
) -> None:
    """R-2.6, R-3.5: what is scheduled can be sent when its time comes."""
    siaran("sender", "add", "3700")
    siaran("sender", "add", "3701")
    database.run(
        lambda tx: tx.execute(
            """
            INSERT INTO campaign (application_id, quick, text, sender, scheduled_at, timezone,
                                  created_by)
            SELECT id, false, 'x', '3701', now(), 'UTC', 'anna' FROM application WHERE name = %s
            """,
            (actor.application,),
        )
    )
    assert "still needed by campaign" in siaran("sender", "delete", "3701", "--yes").err
