"""Turns at what is scarce, fair among visitors: fetching, decoding and a model's work wait in lines of their own.

    image = await DECODING.run(load_image, body)     # the visitor is whose request this is (VISIT)

A stage has so many places. A free one goes round among the client addresses, and there among the sessions, by fair
queueing (Demers, Keshav and Shenker 1989): somebody with a hundred requests in line gets one turn in each round, like
everybody else. Sessions that nobody listens to come last, and never take the second half of the places. Those that are
known to have left are dropped.

All of it runs on the event loop, where no lock is needed; only the work itself runs on threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from anyio import CapacityLimiter, to_thread

from mirror.inference.session import available_cpus

T = TypeVar("T")
K = TypeVar("K")
M = TypeVar("M")


def _yes(*_: int) -> bool:
    return True


@dataclass(frozen=True)
class Visitor:
    """address: of the client, "" where many clients share one that says nothing (this machine, behind a proxy)."""

    address: str = ""
    session: str = ""


@dataclass(frozen=True)
class Visit:
    """One request's visitor, and whether the answer still has a reader. here: False once the browser has closed the
    connection; listening: False while no connection is open that would carry the answer; owns: whether this request is
    the last that was asked for what a component of the page, by its number, is to show."""

    visitor: Visitor = Visitor()
    here: Callable[[], bool] = _yes
    listening: Callable[[], bool] = _yes
    owns: Callable[[int], bool] = _yes


VISIT: ContextVar[Visit] = ContextVar("visit")  # whose request the running task answers
ANONYMOUS = Visit()


class VisitorLeft(Exception):
    """The visitor has left before their turn."""


@dataclass(eq=False)
class _Waiting:
    visit: Visit
    turn: asyncio.Future[None] = field(repr=False)


class _RoundRobin(Generic[K, M]):
    """Who takes turns, and when each is due. One who had a turn just now is due a round later, even when they leave the
    line meanwhile."""

    def __init__(self, kind: Callable[[], M]):
        self._kind, self._now = kind, 0.0  # in rounds
        self.members: dict[K, M] = {}
        self._resting: dict[K, M] = {}  # who are not in line, and not due yet
        self._due: dict[K, float] = {}

    def enter(self, key: K) -> M:
        if key not in self.members:
            self.members[key] = self._resting.pop(key) if key in self._resting else self._kind()
            self._due[key] = max(self._now, self._due.get(key, 0.0))
        return self.members[key]

    def in_order(self) -> list[K]:
        return sorted(self.members, key=self._due.__getitem__)  # equals as they came

    def had_a_turn(self, key: K) -> None:
        self._due[key] += 1
        self._now += 1 / (1 + len(self.members))  # so nobody waits for ever, however many come anew

    def leave(self, key: K) -> None:
        self._resting[key] = self.members.pop(key)
        for rested in [other for other in self._resting if self._due[other] <= self._now]:
            del self._resting[rested], self._due[rested]


class _Sessions(_RoundRobin[str, "deque[_Waiting]"]):
    def __init__(self) -> None:
        super().__init__(deque)


class Stage:
    """capacity: how much goes on at once. per_session, per_address: how much of it one may hold (default: all)."""

    def __init__(self, capacity: int, *, per_session: int | None = None, per_address: int | None = None):
        self.capacity = capacity
        self._per_session, self._per_address = per_session or capacity, per_address or capacity
        self._running: Counter[Visitor | str] = Counter()
        self._free = capacity
        self._lines: _RoundRobin[str, _Sessions] = _RoundRobin(_Sessions)  # addresses → sessions → requests
        self._give_way: set[asyncio.Future[None]] = set()  # who waits until nothing is done here

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """What `work` gives, on a thread, at a place of this stage. Raises Left, and what `work` raises."""
        async with self.turn():
            return await on_thread(work, *arguments)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a place, and holds it. Raises Left."""
        visit = VISIT.get(ANONYMOUS)
        await self._wait(visit)
        try:
            yield
        finally:
            self._leave(visit.visitor)

    def hold(self, seconds: float) -> None:
        """One place more for so long, of a stage at which nobody takes turns."""
        self._free -= 1
        self._count(ANONYMOUS.visitor, 1)
        asyncio.get_running_loop().call_later(seconds, self._leave, ANONYMOUS.visitor)

    @property
    def idle(self) -> bool:
        return self._free == self.capacity and not self._lines.members

    async def rest(self) -> None:
        """Waits until it is idle."""
        while not self.idle:
            rests = asyncio.get_running_loop().create_future()
            self._give_way.add(rests)
            try:
                await rests
            finally:
                self._give_way.discard(rests)

    @property
    def waiting(self) -> int:
        return sum(len(requests) for line in self._lines.members.values() for requests in line.members.values())

    async def _wait(self, visit: Visit) -> None:
        request = _Waiting(visit, asyncio.get_running_loop().create_future())
        self._lines.enter(visit.visitor.address).enter(visit.visitor.session).append(request)
        self._grant()
        try:
            await request.turn
        except asyncio.CancelledError:
            if request.turn.done() and not request.turn.cancelled():  # it was this one's turn at that very moment
                self._leave(visit.visitor)
            else:
                self._forget(request)
            raise

    def _grant(self) -> None:
        """Every free place to whose turn it is."""
        while self._free and (request := self._next()):
            if request.turn.done():
                self._forget(request)
            elif not request.visit.here():
                self._forget(request)
                request.turn.set_exception(VisitorLeft())
            else:
                visitor = request.visit.visitor
                self._lines.members[visitor.address].had_a_turn(visitor.session)
                self._lines.had_a_turn(visitor.address)
                self._forget(request)
                self._free -= 1
                self._count(visitor, 1)
                request.turn.set_result(None)

    def _next(self) -> _Waiting | None:
        """Whose turn it is: who listens comes first."""
        last = None
        for address in self._lines.in_order():
            if address and self._running[address] >= self._per_address:
                continue
            sessions = self._lines.members[address]
            for session in sessions.in_order():
                if self._running[Visitor(address, session)] >= self._per_session:
                    continue
                request = sessions.members[session][0]
                if request.visit.listening() or not request.visit.here():
                    return request
                last = last or request
        return last if self._free > self.capacity // 2 else None

    def recheck(self) -> None:
        """After somebody has begun to listen."""
        if self._lines.members:
            self._grant()

    def _leave(self, visitor: Visitor) -> None:
        self._free += 1
        self._count(visitor, -1)
        self._grant()
        for rests in self._give_way if self.idle else ():
            if not rests.done():
                rests.set_result(None)

    def _count(self, visitor: Visitor, change: int) -> None:
        for key in (visitor, visitor.address):
            self._running[key] += change
            if not self._running[key]:
                del self._running[key]

    def _forget(self, request: _Waiting) -> None:
        visitor = request.visit.visitor
        sessions = self._lines.members.get(visitor.address)
        if sessions is None or request not in (requests := sessions.members.get(visitor.session) or deque()):
            return
        requests.remove(request)
        if not requests:
            sessions.leave(visitor.session)
        if not sessions.members:
            self._lines.leave(visitor.address)


async def on_thread(work: Callable[..., T], *arguments: Any) -> T:
    """On a thread beyond the 40 that gradio and FastAPI share for everything. Where the task is cancelled, it ends when
    the thread is done, which nothing can end, so that a place is not given to two."""
    task = asyncio.ensure_future(to_thread.run_sync(work, *arguments, limiter=CapacityLimiter(1)))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # nobody is left to tell
        raise


# Photos that have been uploaded, and will be asked about in a moment: they take no turns, but frames give way to them
AWAITED = Stage(1)
AWAITED_SECONDS = 0.2
# A fetch may wait 20 s for somebody's server, and holds its bytes, up to 20 MB, until they are decoded
FETCHING = Stage(24, per_session=2, per_address=8)
# A hostile file may hold a place for the 10 s that decoding may take, mostly while another process works on it
DECODING = Stage(16, per_session=2, per_address=8)
# Of those, photos that keep a CPU busy for a second and more in this very process
LARGE_PHOTOS = Stage(2, per_session=1)
# The network of the mirror itself, on all CPUs
MIRROR_MODEL = Stage(max(2, available_cpus()))
# The models of the other tabs: each keeps all CPUs busy by itself
TASK_MODELS = Stage(2)

STAGES = (FETCHING, DECODING, LARGE_PHOTOS, MIRROR_MODEL, TASK_MODELS)
