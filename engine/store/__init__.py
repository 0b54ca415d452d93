"""SQL and nothing but: every function takes a transaction first and never commits."""
