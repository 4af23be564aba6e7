"""Turns. The class: who sends much, waits badly or leaves keeps others from their turn, or a place is lost for good.

No real time is measured: what happens is decided by events, step by step.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from mirror.web.fair_scheduling import VISIT, Stage, Visit, Visitor, VisitorLeft


def play(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 30))


def test_who_gives_way_waits_until_nothing_is_done_and_leaves_nothing_behind():
    async def steps() -> None:
        stage = Stage(2)
        await stage.rest()  # which it does
        one, two = stage.turn(), stage.turn()
        await one.__aenter__()
        await two.__aenter__()
        resting, impatient = asyncio.ensure_future(stage.rest()), asyncio.ensure_future(stage.rest())
        await Line.settle()
        impatient.cancel()
        await one.__aexit__(None, None, None)
        await Line.settle()
        assert not resting.done()
        await two.__aexit__(None, None, None)
        await resting
        assert stage.idle and not stage._give_way

    play(steps())


class Line:
    """Requests at a stage: who has had a turn, in which order, and who is let go."""

    def __init__(self, stage: Stage):
        self.stage, self.served, self._open, self.tasks = stage, [], {}, {}

    async def ask(self, name: str, address: str = "", session: str = "", **visit: Any) -> None:
        async def request() -> None:
            VISIT.set(Visit(Visitor(address, session or name), **visit))
            async with self.stage.turn():
                self.served.append(name)
                await asyncio.wait_for(self._open.setdefault(name, asyncio.Event()).wait(), 60)

        self.tasks[name] = asyncio.ensure_future(request())
        await self.settle()

    async def finish(self, name: str) -> None:
        self._open.setdefault(name, asyncio.Event()).set()
        await self.settle()

    async def finish_all(self) -> None:
        for name in list(self.tasks):
            self._open.setdefault(name, asyncio.Event()).set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    @staticmethod
    async def settle() -> None:
        for _ in range(10):
            await asyncio.sleep(0)


CASES = {
    # who asks (name, address, session), and the order of the turns at a stage of one place
    "as they come": ([("a", "", "1"), ("b", "", "2"), ("c", "", "3")], "a b c"),
    "one who sends much": ([("a1", "", "1"), ("a2", "", "1"), ("a3", "", "1"), ("b", "", "2")], "a1 b a2 a3"),
    "two who send much": (
        [("a1", "", "1"), ("a2", "", "1"), ("a3", "", "1"), ("b1", "", "2"), ("b2", "", "2"), ("c", "", "3")],
        "a1 b1 c a2 b2 a3",
    ),
    "many pages at one address": (
        [("a1", "9.9.9.9", "1"), ("a2", "9.9.9.9", "2"), ("a3", "9.9.9.9", "3"), ("b", "8.8.8.8", "4")], "a1 b a2 a3"
    ),
    "a school class and a flood": (
        [("f1", "9.9.9.9", "1"), ("f2", "9.9.9.9", "1"), ("f3", "9.9.9.9", "1"), ("s1", "8.8.8.8", "2"),
         ("s2", "8.8.8.8", "3"), ("s3", "8.8.8.8", "4")],
        "f1 s1 f2 s2 f3 s3",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("asks", "order"), CASES.values(), ids=CASES)
def test_turns_go_round(asks, order):
    async def story() -> None:
        line = Line(Stage(1))
        for name, address, session in asks:
            await line.ask(name, address, session)
        for name in order.split():
            assert line.served[-1] == name
            await line.finish(name)
        assert line.served == order.split()

    play(story())


def test_one_visitor_holds_no_more_places_than_a_share():
    async def story() -> None:
        line = Line(Stage(4, per_session=2, per_address=3))
        for name, session in (("a1", "1"), ("a2", "1"), ("a3", "1"), ("b1", "2"), ("b2", "2")):
            await line.ask(name, "9.9.9.9", session)
        assert line.served == ["a1", "a2", "b1"]  # a3: two of its session are there; b2: three of the address are
        await line.ask("c", "8.8.8.8")
        assert line.served[-1] == "c"
        await line.finish("a1")
        assert line.served[-1] == "a3"
        await line.finish_all()
        assert sorted(line.served) == ["a1", "a2", "a3", "b1", "b2", "c"]

    play(story())


def test_those_whose_address_says_nothing_share_no_limit():
    async def story() -> None:
        line = Line(Stage(4, per_session=2, per_address=1))
        for name in "abc":
            await line.ask(name)
        assert line.served == ["a", "b", "c"]
        await line.finish_all()

    play(story())


def test_who_listens_comes_before_who_does_not():
    async def story() -> None:
        line = Line(Stage(1))
        await line.ask("first")
        for name in ("abandoned1", "abandoned2"):
            await line.ask(name, listening=lambda: False)
        await line.ask("honest")
        await line.finish("first")
        assert line.served[-1] == "honest"
        await line.finish("honest")
        assert line.served[-1] == "abandoned1"  # not never
        await line.finish_all()

    play(story())


def test_who_does_not_listen_leaves_half_of_the_places_to_others():
    async def story() -> None:
        line, listening = Line(Stage(4)), False
        for name in "abc":
            await line.ask(name, listening=lambda: listening)
        assert line.served == ["a", "b"]
        await line.ask("honest")
        assert line.served == ["a", "b", "honest"]
        listening = True
        line.stage.recheck()
        await line.settle()
        assert line.served == ["a", "b", "honest", "c"]
        await line.finish_all()

    play(story())


def test_who_has_left_is_dropped_and_holds_nobody_up():
    async def story() -> None:
        line, here = Line(Stage(1)), True
        await line.ask("first")
        await line.ask("gone", here=lambda: here)
        await line.ask("next")
        here = False
        await line.finish("first")
        assert line.served == ["first", "next"]
        with pytest.raises(VisitorLeft):
            await line.tasks["gone"]
        await line.finish_all()

    play(story())


def test_cancelling_loses_no_place_wherever_it_comes():
    async def story() -> None:
        stage = Stage(1)
        for _ in range(3):
            line = Line(stage)
            await line.ask("inside")
            await line.ask("waiting")
            await line.ask("about to")
            line.tasks["waiting"].cancel()  # in the line
            await line.settle()
            assert stage.waiting == 1
            line._open["inside"].set()
            await asyncio.sleep(0)
            line.tasks["about to"].cancel()  # about when its turn comes
            await line.settle()
            line.tasks["inside"].cancel()
            await line.settle()
            assert stage.waiting == 0
        line = Line(stage)
        await line.ask("after all")
        assert line.served == ["after all"]
        await line.finish_all()

    play(story())


def test_a_place_is_held_until_the_thread_is_done_even_when_nobody_waits_for_it():
    async def story() -> None:
        stage, release, began = Stage(1), threading.Event(), threading.Event()

        def work() -> None:
            began.set()
            release.wait(20)

        first = asyncio.ensure_future(stage.run(work))
        while not began.is_set():
            await asyncio.sleep(0.01)
        first.cancel()
        second = asyncio.ensure_future(stage.run(str, 7))
        await asyncio.sleep(0.1)
        assert not second.done()
        release.set()
        assert await second == "7"

    play(story())


def test_an_error_gives_the_place_back():
    async def story() -> None:
        stage = Stage(1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await stage.run(lambda: 1 / 0)
        assert await stage.run(len, "abc") == 3

    play(story())


def test_every_request_of_a_crowd_gets_its_turn():
    async def story() -> None:
        stage = Stage(3, per_session=1, per_address=2)
        running, most = 0, 0

        async def request(number: int) -> int:
            nonlocal running, most
            VISIT.set(Visit(Visitor(f"10.0.0.{number % 7}", str(number % 31))))
            async with stage.turn():
                running += 1
                most = max(most, running)
                await asyncio.sleep(0)
                running -= 1
            return number

        assert sorted(await asyncio.gather(*map(request, range(500)))) == list(range(500))
        assert (most, stage.waiting, stage._free, dict(stage._running)) == (3, 0, 3, {})

    play(story())
