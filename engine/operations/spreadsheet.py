"""Text that goes into a CSV that a spreadsheet may open; the rule is `domain.spreadsheet`'s."""

from engine.domain.spreadsheet import guarded as guarded
