"""What clients share: the queue of requests, and the limits of each (R-7.8, R-8.1)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
import trio.testing

from engine.api.gathering import MOST_WAITING, Gathering
from engine.api.limits import Buckets
from engine.api.problems import Problem
from engine.domain.errors import Refused, Unreachable
from engine.operations import Actor
from engine.operations.submitting import Answer, Outcome, Request, UnderWay, Wanted
from engine.store.db import CommitUnknown

ANNA = Actor(application="default", by="anna")


def request(text: str, key: str | None = None, many: int = 1) -> Request:
    messages = [Wanted(to="+64211234567", text=text)] * many
    return Request(actor=ANNA, messages=messages, single=many == 1, key=key)


class Bank:
    """Takes transactions one after the other, when it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = trio.Event()

    async def run(self, requests: Sequence[Request]) -> list[Outcome]:
        texts = [one.messages[0].text for one in requests]
        self.batches.append(texts)
        await self.go.wait()
        if "poison" in texts:
            raise ValueError(texts)
        return [Refused("no") if text == "bad" else Answer(document=text) for text in texts]


@pytest.mark.trio
async def test_who_comes_meanwhile_shares_the_next_transaction() -> None:
    bank = Bank()
    gathering = Gathering(bank.run)
    heard: dict[str, str] = {}

    async def ask(text: str) -> None:
        try:
            heard[text] = (await gathering.accept(request(text))).document
        except (Refused, Problem) as error:
            heard[text] = type(error).__name__

    async with trio.open_nursery() as nursery:
        nursery.start_soon(gathering.run)
        for text in ("first", "second"):
            nursery.start_soon(ask, text)
            await trio.testing.wait_all_tasks_blocked()
        for text in ("a", "bad", "poison", "b"):
            nursery.start_soon(ask, text)
        await trio.testing.wait_all_tasks_blocked()
        assert bank.batches == [["first"], ["second"]]
        bank.go.set()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert sorted(bank.batches[2]) == ["a", "b", "bad", "poison"]
    assert all(len(batch) == 1 for batch in bank.batches[3:]), "then each alone"
    assert heard == {
        "first": "first",
        "second": "second",
        "a": "a",
        "b": "b",
        "bad": "Refused",
        "poison": "Problem",
    }


@pytest.mark.trio
async def test_nobody_waits_for_ever_when_it_ends() -> None:
    """R-8.1: neither who is being accepted, nor who waits, nor who comes too late."""
    bank = Bank()
    gathering = Gathering(bank.run)
    heard: list[type[Exception]] = []

    async def ask() -> None:
        try:
            await gathering.accept(request("x"))
        except (Unreachable, CommitUnknown) as error:
            heard.append(type(error))

    with trio.fail_after(5):
        async with trio.open_nursery() as clients:
            async with trio.open_nursery() as server:
                server.start_soon(gathering.run)
                for _ in range(4):
                    clients.start_soon(ask)
                    await trio.testing.wait_all_tasks_blocked()
                server.cancel_scope.cancel()
            clients.start_soon(ask)
    assert sorted(one.__name__ for one in heard) == [
        *["CommitUnknown"] * 2,
        *["Unreachable"] * 3,
    ]


@pytest.mark.trio
async def test_a_key_under_way_and_a_full_queue_are_said_at_once() -> None:
    bank = Bank()
    gathering = Gathering(bank.run)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gathering.run)
        nursery.start_soon(gathering.accept, request("x", key="k"))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(UnderWay):
            await gathering.accept(request("x", key="k"))
        with pytest.raises(Problem) as full:
            await gathering.accept(request("x", many=MOST_WAITING))
        assert full.value.status_code == 503
        bank.go.set()
        await trio.testing.wait_all_tasks_blocked()
        assert (await gathering.accept(request("y", key="k"))).document == "y"
        nursery.cancel_scope.cancel()


def test_a_bucket_fills_up_again_and_belongs_to_one() -> None:
    buckets = Buckets(2.0, burst=3)
    assert [buckets.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b", 0.0) == 0
    assert buckets.empty("a", 0.25) == pytest.approx(0.25)
    assert buckets.take("a", 0.5) == 0
    assert buckets.take("a", 0.5) == pytest.approx(0.5)
    assert [buckets.take("a", 100.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert [Buckets(0).take("a", 0.0) for _ in range(9)] == [0] * 9
