"""gradio's queue for strangers: a few requests a visitor, no request that cannot be answered, nothing kept for nobody.

Every request that is taken is begun at once: what waits, waits for its turn in fair_scheduling.py. What is refused is
refused at once, with one sentence, before anything of it is kept. One sweep drops all that is kept of a session: what
nobody has fetched (the messages that no connection reads) after UNREAD_SECONDS, what gradio remembers of it (the last
values of its components, which it restores on the server's side where a page needs that) after REMEMBERED_SECONDS.
"""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from time import monotonic
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

import fastapi
from gradio.block_function import BlockFunction
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import Event, Queue
from gradio.server_messages import EventMessage, HeartbeatMessage
from gradio.state_holder import StateHolder
from gradio.utils import run_coro_in_background

from mirror.web.failures import report
from mirror.web.fair_scheduling import STAGES, Visit, Visitor
from mirror.web.gateway.client_address import address_of
from mirror.web.photo_input import PhotoInput

MAX_REQUESTS = 240  # requests of all visitors, begun or waiting
MAX_PER_SESSION = 8  # of one open page, or of one client of the API
MAX_PER_ADDRESS = 64  # of one client address, which a school class may share; fewer when there is little room
CONNECT_SECONDS = 1.0  # seconds that a client takes at most from its request to the connection that brings the answer
# sessions with an answer that nobody reads, of some 100 kB; a full house on slow lines fetches all of its answers late
MAX_UNREAD = 2 * MAX_REQUESTS
UNREAD_SECONDS = 45.0  # from the last message, or the last reader, of a session
REMEMBERED_SECONDS = 20.0  # from the last use of a session's values
SWEEP_SECONDS = 2.0
SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)  # 11 letters in a browser, 36 in gradio's Python client

TOO_MANY_OF_YOURS = f"You have {MAX_PER_SESSION} photos waiting already: please wait for the answer to one of them."
TOO_MANY = "Too many photos are waiting right now: please try again in a moment."
NO_HANDLER = "There is nothing of that number here: see “Use via API” at the foot of the page."
NO_SESSION = "The session_hash must be up to 64 letters, digits, - and _."


_visitors: WeakKeyDictionary[Event, Visitor] = WeakKeyDictionary()  # who asked for what is in the queue
Used = dict[str, tuple[datetime, float]]  # session → when gradio says it was used, and when that was first seen


class Messages(asyncio.Queue[EventMessage]):
    """What a session has not been told yet, and when somebody last cared. asked_last: which event is to write each
    component, by its number."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_last: dict[int, str] = {}
        self._readers = 0
        self._last = monotonic()

    async def get(self) -> EventMessage:
        self._readers += 1
        for stage in STAGES if self._readers == 1 and self.empty() else ():
            stage.recheck()
        try:
            return await super().get()
        finally:
            self._readers -= 1
            self._last = monotonic()

    def put_nowait(self, message: EventMessage) -> None:
        if not isinstance(message, HeartbeatMessage):
            self._last = monotonic()
        super().put_nowait(message)

    def unread_for(self) -> float:
        """Seconds since anybody read or wrote here; 0 while somebody reads."""
        return 0.0 if self._readers else max(monotonic() - self._last, 1e-9)

    def listening(self) -> bool:
        """Whether a connection reads here: between two messages it does not for a moment."""
        return self._readers > 0


class VisitorsQueue(Queue):
    """Takes the place of the Queue that gr.Blocks has made (`queue.__class__ = …`): it adds no attribute."""

    def start(self) -> None:
        self.max_thread_count = 2 * MAX_REQUESTS  # gradio's word for the requests begun, given up ones included
        super().start()
        run_coro_in_background(self._sweep)

    async def push(
        self, body: PredictBodyInternal, request: fastapi.Request, username: str | None
    ) -> tuple[bool, Any, Any]:
        """(True, event id, "success"), or (False, a sentence, why)."""
        if body.session_hash is not None and not SESSION.fullmatch(body.session_hash):
            return False, NO_SESSION, "error"
        fn = self.blocks.fns.get(body.fn_index) if body.fn_index is not None else None
        if fn is None or fn.fn is None:
            return False, NO_HANDLER, "error"
        visitor = Visitor(visitors_address(request), body.session_hash or uuid4().hex)
        if self._alive() >= MAX_REQUESTS:
            await self._drop_one()
        if sentence := self._too_many(visitor):
            return False, sentence, "queue_full"
        body.session_hash = visitor.session
        await self._make_room()
        if visitor.session not in self.pending_messages_per_session:
            self.pending_messages_per_session[visitor.session] = Messages()
        accepted, result, state = await super().push(body, request, username)
        if accepted and (event := self.event_ids_to_events.get(str(result))):
            _visitors[event] = visitor
            messages = self.pending_messages_per_session.get(visitor.session)
            if isinstance(messages, Messages) and _asks(fn, body.data):
                messages.asked_last.update({component._id: event._id for component in fn.outputs})
        return accepted, result, state

    def visit(self, event_id: str | None) -> Visit | None:
        """Who asked for that event, and whether they still want to know."""
        event: Event | None = self.event_ids_to_events.get(event_id or "")
        if event is None:
            return None

        def listening() -> bool:
            messages = self.pending_messages_per_session.get(event.session_hash)
            return isinstance(messages, Messages) and messages.listening()

        def owns(component: int) -> bool:
            messages = self.pending_messages_per_session.get(event.session_hash)
            return not isinstance(messages, Messages) or messages.asked_last.get(component, event._id) == event._id

        return Visit(_visitors.get(event, Visitor("", event.session_hash)), lambda: event.alive, listening, owns)

    def send_message(self, event: Event, event_message: EventMessage) -> None:
        """To nobody, where the session has been dropped: gradio would raise KeyError, and end its own tasks with it."""
        if event.session_hash in self.pending_messages_per_session:
            super().send_message(event, event_message)
        else:
            event.alive = False

    def _alive(self) -> int:
        return sum(event.alive for event in self.event_ids_to_events.values())

    def _too_many(self, visitor: Visitor) -> str | None:
        """An address may hold no more than there is room left, so that a few of them never take all of it (the dynamic
        threshold of Choudhury and Hahne 1998)."""
        waiting = [_visitors.get(event, Visitor()) for event in self.event_ids_to_events.values() if event.alive]
        if waiting.count(visitor) >= MAX_PER_SESSION:
            return TOO_MANY_OF_YOURS
        free = MAX_REQUESTS - len(waiting)
        pending = sum(another.address == visitor.address for another in waiting) if visitor.address else 0
        if free <= 0 or pending >= min(MAX_PER_ADDRESS, free) or len(self.event_ids_to_events) >= 2 * MAX_REQUESTS:
            return TOO_MANY
        return None

    async def _drop_one(self) -> None:
        """Of the sessions with a request whose answer nobody waits for, the one that was left alone longest."""
        busy = {event.session_hash for event in self.event_ids_to_events.values() if event.alive}
        unread = {session: _unread_for(self.pending_messages_per_session[session])
                  for session in busy & self.pending_messages_per_session.keys()}  # fmt: skip
        if unread and unread[longest := max(unread, key=unread.__getitem__)] > CONNECT_SECONDS:
            await self._forget(longest)

    async def _sweep(self) -> None:
        used: Used = {}
        while not self.stopped:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.forget_unread(UNREAD_SECONDS)
                forget_values(self.blocks.state_holder, used, REMEMBERED_SECONDS)
            except Exception as error:  # the next round tries again, and the log shows it
                report(error)

    async def forget_unread(self, seconds: float) -> None:
        """Drops the messages of every session that nobody has read for so long; while its answer is yet to come, twice
        as long, and then its request too."""
        busy = {event.session_hash for event in self.event_ids_to_events.values() if event.alive}
        for session, messages in list(self.pending_messages_per_session.items()):
            if _unread_for(messages) >= (2 * seconds if session in busy else seconds):
                await self._forget(session)
        for session in self.pending_event_ids_session.keys() - self.pending_messages_per_session.keys() - busy:
            self.pending_event_ids_session.pop(session, None)

    async def _make_room(self) -> None:
        """Drops the answers that have been unread for longest, where there are too many."""
        if len(self.pending_messages_per_session) <= MAX_UNREAD:
            return
        busy = {event.session_hash for event in self.event_ids_to_events.values() if event.alive}
        unread = {session: _unread_for(messages) for session, messages in self.pending_messages_per_session.items()}
        idle = [session for session in unread if unread[session] and session not in busy]
        holding = [session for session in idle if not self.pending_messages_per_session[session].empty()]
        holding.sort(key=unread.__getitem__, reverse=True)
        read = [session for session in set(idle).difference(holding) if unread[session] > CONNECT_SECONDS]
        for session in [*read, *holding[: max(0, len(holding) - MAX_UNREAD)]]:  # gradio leaves those that were read
            await self._forget(session)

    async def _forget(self, session: str) -> None:
        self.pending_messages_per_session.pop(session, None)
        await self.clean_events(session_hash=session)
        self.pending_event_ids_session.pop(session, None)


def _asks(fn: BlockFunction, data: list[Any]) -> bool:
    """Whether an event is to write the page's components: no endpoint's, which many may ask at once, and not that of a
    photo that our own answer, or a click on its cross, has changed."""
    changed = {target for target, name in fn.targets if name == "change"}
    photos = {component._id for component in fn.inputs[:1] if isinstance(component, PhotoInput)}
    return fn.api_visibility == "private" and not (changed & photos and not any(data[:1]))


def forget_values(holder: StateHolder, seen: Used, seconds: float) -> None:
    """Drops the values of the sessions that have not been used for so long. seen: what this found before; gradio
    notes a time of the wall clock, which may be set."""
    with holder.lock:
        for session, used in list(holder.time_last_used.items()):
            if seen.get(session, (None, 0.0))[0] != used:
                seen[session] = used, monotonic()
            elif monotonic() - seen[session][1] > seconds:
                holder.session_data.pop(session, None)
                holder.time_last_used.pop(session, None)
        for session in seen.keys() - holder.time_last_used.keys():
            del seen[session]


def _unread_for(messages: asyncio.Queue[EventMessage]) -> float:
    return messages.unread_for() if isinstance(messages, Messages) else 0.0


def visitors_address(request: Any) -> str:
    """Of a FastAPI or gr.Request: see clients.address_of."""
    return address_of(request.client.host if request.client else "", request.headers.getlist("x-forwarded-for"))
