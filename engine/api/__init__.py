"""The HTTP side of an engine."""
