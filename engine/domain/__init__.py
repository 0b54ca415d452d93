"""The rules: pure decisions, without clock, database or network."""
