"""The layer itself: each request passes it before gradio, each answer after.

    demo.launch(app_kwargs={"lifespan": in_front(policy), "middleware": [Middleware(ScriptNonces)]})

`in_front` puts it outside of everything that gradio adds to its app, whose own middleware (compression, CORS) and error
answers are then behind it too. What an unlisted route would have done is never reached.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Container, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from gradio.queueing import Queue
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mirror.web.gateway import routes, security_headers
from mirror.web.gateway.bodies import Admission, Bodies, has_body
from mirror.web.gateway.refusal import Gone, Refusal, answer, of_the_client
from mirror.web.gateway.response_cache import ResponseCache
from mirror.web.gateway.routes import Route
from mirror.web.gateway.upload_routes import EVENTS, Uploads, query

NOT_HERE = "There is nothing at this address."
NOT_SO = "This address does not take that kind of request."
NOTHING_MORE = b'data: {"msg":"close_stream"}\n\n'  # in gradio's protocol
# gradio's answer to arguments that it cannot make sense of repeats them, however long they are
NOT_UNDERSTOOD = "The request is not what this address takes: see “Use via API” on the page."

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]
Check = Callable[[Scope], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Policy:
    """What one page lets through.

    hosts: the names it may be asked by, None for any. checks: more that a request has to pass; each raises Refusal.
    answers: headers of every answer. uploads: where visitors' files lie; None where there is nothing to upload. models:
    the names that `?model=` in the page's address may have; with any other it is the page as it is without.
    """

    routes: tuple[Route, ...]
    hosts: frozenset[str] | None = None
    uploads: Uploads | None = None
    models: Callable[[], Container[str]] = tuple
    checks: tuple[Check, ...] = ()
    answers: Mapping[str, str] = field(default_factory=lambda: dict(security_headers.COMMON))


class Gate:
    """The ASGI layer. queue: gradio's."""

    def __init__(self, app: ASGIApp, policy: Policy, queue: Callable[[], Queue]):
        self.app, self.policy, self._queue = app, policy, queue
        self._bodies, self._admission = Bodies(), Admission(lambda: queue().event_ids_to_events)
        self._cache = ResponseCache(app, policy.models)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self.app(scope, receive, send)
        else:
            await self._http(scope, receive, _Answer(send, self.policy))

    async def _http(self, scope: Scope, receive: Receive, send: _Answer) -> None:
        try:
            await self._passed(scope, receive, send)
        except Refusal as refusal:
            if not send.started:
                if send.route:
                    send.readable_by(scope)
                as_json = scope["method"] == "POST" and not scope["path"].endswith(routes.UPLOAD)
                await answer(refusal, receive, send, as_json=as_json, drain=has_body_quietly(scope))
        except Gone:
            pass
        except Exception as error:
            if not of_the_client(error):
                raise
            log.debug("an answer ended early", exc_info=True)
        finally:
            await send.end()

    async def _passed(self, scope: Scope, receive: Receive, send: _Answer) -> None:
        security_headers.require_one_reading(scope)
        for check in self.policy.checks:
            check(scope)
        security_headers.require_known(scope, self.policy.hosts)
        path = routes.relative(scope["path"], scope.get("root_path", ""))
        route = self._route(scope, path)
        send.route = route
        scope = security_headers.without_unknown_hosts(scope, self.policy.hosts)
        uploads = self.policy.uploads
        if scope["method"] == "OPTIONS":
            await self.app(scope, receive, send)  # gradio's CORS answers it, or its router refuses it
        elif route.template == routes.UPLOAD and uploads:
            send.readable_by(scope)
            await uploads.take(scope, receive, send, self._bodies, route.body)
        elif route.template == routes.PROGRESS and uploads:
            send.readable_by(scope)
            await uploads.progress(scope, receive, send)
        elif route.template == routes.FILE and uploads:
            send.readable_by(scope)
            await uploads.show(scope, send, path.partition("=")[2])
        elif route.template == routes.STREAM and self._all_told(query(scope, "session_hash")):
            send.readable_by(scope)
            await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
            await send({"type": "http.response.body", "body": NOTHING_MORE})
        elif route.cached and not has_body(scope):
            send.readable_by(scope)
            await self._cache.answer(route, scope, send)
        elif not has_body(scope):
            await self.app(scope, receive, send)
        else:
            with uploads.inline(scope) if uploads and route.photos else nullcontext() as inline:
                body = await self._bodies.whole(scope, receive, route.body, inline)
                with body.file:
                    async with self._admission.admit(body, send) as listening:
                        await self.app(scope, body.replay(receive), listening)
                if inline and send.status == HTTPStatus.OK:
                    inline.paths.clear()  # they are the request's now, and swept when it has been answered

    def _all_told(self, session: str) -> bool:
        """Whether the session has been told all that it asked. A browser that learns of its answer before it learns
        that its question was taken then opens a stream for it, which gradio would keep open as long as the page is."""
        queue = self._queue()
        messages = queue.pending_messages_per_session.get(session)
        return messages is not None and messages.empty() and not queue.pending_event_ids_session.get(session)

    def _route(self, scope: Scope, path: str) -> Route:
        matching = routes.find(self.policy.routes, path, scope.get("raw_path") or b"")
        if not matching:
            raise Refusal(HTTPStatus.NOT_FOUND, NOT_HERE)
        methods = frozenset().union(*(route.methods for route in matching), {"OPTIONS"})
        if scope["method"] not in methods:
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, NOT_SO, {"Allow": ", ".join(sorted(methods))})
        return next((route for route in matching if scope["method"] in route.methods), matching[0])


class _Answer:
    """`send` for one request: adds what every answer carries, and knows how far the answer is."""

    def __init__(self, send: Send, policy: Policy):
        self._send, self._policy = send, policy
        self.route: Route | None = None
        self.started = self._ended = self._dropped = False
        self.status = 0
        self._origin: str | None = None

    def readable_by(self, scope: Scope) -> None:
        """The answer is the gate's own, and the site whose page asked for it, which may ask at all, may read it (CORS);
        gradio says so of what it answers."""
        self._origin = Headers(scope=scope).get("origin")

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            if message["status"] == HTTPStatus.UNPROCESSABLE_ENTITY:
                self._dropped = True
                await answer(Refusal(422, NOT_UNDERSTOOD), _nothing, self._through, as_json=True, drain=False)
                return
        if not self._dropped:
            await self._through(message)

    async def _through(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = security_headers.secure(message, self._policy.answers, page=False)
            if self._origin:
                headers = MutableHeaders(raw=list(message["headers"]))
                headers["Access-Control-Allow-Origin"] = self._origin
                headers.add_vary_header("Origin")
                message = {**message, "headers": headers.raw}
        elif message["type"] == "http.response.body":
            self._ended = not message.get("more_body", False)
        await self._send(message)

    async def end(self) -> None:
        """Ends a stream whose client went away, or which gradio broke off with an event that says so."""
        if self.started and not self._ended:
            self._ended = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def in_front(policy: Policy, lifespan: Lifespan | None = None) -> Lifespan:
    """A lifespan for FastAPI that puts the gate before the whole app. lifespan: what else runs as long as the app."""

    @asynccontextmanager
    async def started(app: Any) -> AsyncIterator[Any]:
        if app.middleware_stack is None:
            app.middleware_stack = app.build_middleware_stack()
        app.middleware_stack = Gate(app.middleware_stack, policy, lambda: app.get_blocks()._queue)
        if lifespan is None:
            yield
        else:
            async with lifespan(app) as state:
                yield state

    return started


def has_body_quietly(scope: Scope) -> bool:
    try:
        return has_body(scope)
    except Refusal:
        return True


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
