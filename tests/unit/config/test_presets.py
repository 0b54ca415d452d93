"""`siaran carrier presets`: each can be pasted into a carrier's table (R-5.6)."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from config.presets import PRESETS, Preset
from config.settings import Carrier
from config.tables import Outside, read

NOWHERE = Outside(environ={}, directory=Path())
PLAIN = {"host": "smsc.example.net", "system_id": "us"}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_preset_sets_what_it_says(preset: Preset) -> None:
    carrier = read(PLAIN | tomllib.loads(preset.lines), Carrier, (), NOWHERE, name="tui")
    plain = read(PLAIN, Carrier, (), NOWHERE, name="tui")
    changed = {
        field
        for field in msgspec.structs.asdict(plain)
        if getattr(plain, field) != getattr(carrier, field)
    }
    assert changed == set(tomllib.loads(preset.lines))
    assert preset.sentence.endswith(".")
    assert "§" in preset.source or preset.source.endswith("Appendix B")


def test_names_are_unique() -> None:
    assert len({preset.name for preset in PRESETS}) == len(PRESETS)
