"""The few statements that the turns repeat for hours, without the driver's cursor.

A cursor costs some 35 µs of CPU a statement (measured: 59 instead of 25), a dozen times a turn; with
small windows, whose turns carry some fifty messages, that is a tenth of the engine's time. `ask`
prepares a statement at its first use on a connection and then sends its parameters only; values come
back through the driver's own loaders.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any, LiteralString, cast
from weakref import WeakKeyDictionary

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

Tx = psycopg.Connection[tuple[Any, ...]]
Value = int | float | str | datetime | bool | None


class _Statement:
    """A statement with `$n` for each placeholder, and which parameters these are."""

    __slots__ = ("command", "keys")

    def __init__(self, sql: str) -> None:
        keys: list[str] = []

        def numbered(match: re.Match[str]) -> str:
            if match[0] == "%%":
                return "%"
            if match[1] is None or match[1] not in keys:
                keys.append(match[1] or str(len(keys)))
                return f"${len(keys)}"
            return f"${keys.index(match[1]) + 1}"

        self.command = re.sub(r"%(?:\((\w+)\))?s|%%", numbered, sql).encode()
        self.keys = keys


class _Prepared:
    """What a connection has of them. One that may prepare nothing (a pooler's) has none."""

    __slots__ = ("allowed", "names", "transformer")

    def __init__(self, tx: Tx) -> None:
        self.allowed = tx.prepare_threshold is not None
        self.names: dict[_Statement, bytes] = {}
        self.transformer = Transformer(tx)


_statements: dict[str, _Statement] = {}
_connections: WeakKeyDictionary[Tx, _Prepared] = WeakKeyDictionary()
_number = count(1)  # a name is used once: what `forget` forgot, the server may still have


def ask(
    tx: Tx, sql: LiteralString, params: Sequence[Value] | Mapping[str, Value]
) -> list[tuple[Any, ...]]:
    """What `sql` answers ([] when it answers nothing), with placeholders as the driver writes them.

    Parameters have no types of their own, so that the statement says them where PostgreSQL can't
    tell. Raises psycopg's errors, like the driver. A statement that the connection has forgotten
    (the driver drops all after DDL) raises InvalidSqlStatementName: the transaction runs again.
    """
    statement = _statements.get(sql)
    if statement is None:
        statement = _statements.setdefault(sql, _Statement(sql))
    prepared = _connections.get(tx)
    if prepared is None:
        prepared = _connections[tx] = _Prepared(tx)
    connection = tx.pgconn
    if connection.transaction_status == TransactionStatus.IDLE:
        tx.execute("SELECT")  # the driver begins the transaction, where that is its business
    if isinstance(params, Mapping):
        values = [_DUMP[type(params[key])](params[key]) for key in statement.keys]
    else:
        values = [_DUMP[type(value)](value) for value in params]
    name = prepared.names.get(statement)
    if name is not None:
        result = connection.exec_prepared(name, values)
    elif prepared.allowed:
        name = b"turn_%d" % next(_number)
        _check(tx, connection.prepare(name, statement.command))
        prepared.names[statement] = name
        result = connection.exec_prepared(name, values)
    else:
        result = connection.exec_params(statement.command, values)
    if result.status == ExecStatus.COMMAND_OK:
        return []
    _check(tx, result)
    transformer = prepared.transformer
    transformer.set_pgresult(result)
    return cast(list[tuple[Any, ...]], transformer.load_rows(0, result.ntuples, tuple))


def forget(tx: Tx) -> None:
    """The connection has none of them any more: a rollback and DDL make the driver drop all."""
    _connections.pop(tx, None)


_DUMP: dict[type, Callable[[Any], Any]] = {
    int: b"%d".__mod__,
    float: lambda value: repr(value).encode(),
    str: str.encode,
    datetime: lambda value: value.isoformat().encode(),
    bool: lambda value: b"t" if value else b"f",
    type(None): lambda value: None,
}


def _check(tx: Tx, result: psycopg.pq.abc.PGresult) -> None:
    if result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        return
    if tx.pgconn.status != ConnStatus.OK:
        raise psycopg.OperationalError(result.get_error_message())
    raise psycopg.errors.error_from_result(result)
