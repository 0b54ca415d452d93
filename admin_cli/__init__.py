"""The administrator's command line: one file a noun over `engine.operations`."""
