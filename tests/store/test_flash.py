"""Flash messages, and texts that are brought into GSM's characters when they are merged (R-2.1)."""

from __future__ import annotations

import pytest

from engine.store.db import Database
from tests.road import Road, text_of

FLASH = 0x10
"""data_coding of a flash message in the default alphabet (wire.md: Text)."""


@pytest.fixture
def road(database: Database) -> Road:
    return Road.open(database)


def test_a_campaigns_texts_are_transliterated_with_their_params(road: Road) -> None:
    """A param may have what pushes a text to UCS-2; what can't be helped stays as it is."""
    line = road.line()
    list_id = road.list_of(2)
    [(first,), (second,)] = road.all("SELECT mobile FROM member WHERE list_id = %s", list_id)
    road.sql("UPDATE member SET params = ARRAY['M\u0101ui\u2026'] WHERE mobile = %s", first)
    road.sql("UPDATE member SET params = ARRAY['\u0414\u0430'] WHERE mobile = %s", second)
    campaign = road.planned(text="\u201cKia ora\u201d %%1%%", list_id=list_id)
    road.sql("UPDATE campaign SET transliterate = true, flash = true WHERE id = %s", campaign)
    road.step()
    road.turn()
    sent = {submit.destination: submit for _, submit in line.wire}
    plain, other = sent[first.removeprefix("+")], sent[second.removeprefix("+")]
    assert (text_of(plain), plain.data_coding) == ('"Kia ora" Maui...', FLASH)
    assert other.octets.decode("utf-16-be") == "\u201cKia ora\u201d \u0414\u0430"
    assert other.data_coding == 0x18


def test_without_it_nothing_is_changed(road: Road) -> None:
    line = road.line()
    road.campaign(1, text="\u201cKia ora\u201d")
    road.turn()
    [(_, submit)] = line.wire
    assert submit.octets.decode("utf-16-be") == "\u201cKia ora\u201d"
    assert submit.data_coding == 8


@pytest.mark.parametrize("flash", [True, None])
def test_a_single_message_may_flash(road: Road, flash: bool | None) -> None:
    line = road.line()
    message = road.single("Hello")
    road.sql("UPDATE message SET flash = %s WHERE id = %s", flash, message)
    road.turn()
    [(_, submit)] = line.wire
    assert submit.data_coding == (FLASH if flash else 0)
