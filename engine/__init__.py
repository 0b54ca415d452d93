"""The engine: what sends, receives and remembers."""
