"""SMPP 3.4: values and octets, a session without I/O, and a thin trio shell around it.

The pure half (`pdu`, `codec`, `framing`, `status`, `tlv`, `states`, `timers`, `protocol`,
`alphabet`, `segments`, `receipt`) never reads a clock or a socket. `transport`, `session` and
`simulator` are the shell. Nothing here knows of campaigns, applications or SQL.
"""
