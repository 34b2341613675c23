"""Calls of the library that wait for a whole reply: each runs on a thread of its own, so that the thread or the event
loop that asked hears Ctrl-C and cancellation meanwhile, and hands them on to the session."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from . import _pensee

T = TypeVar("T")
_STEP = 0.01  # seconds between two looks at a call that was cancelled


class Call(threading.Thread, Generic[T]):
    """`function` generates in `session`."""

    def __init__(
        self, session: _pensee.Session, function: Callable[[], T], then: Callable[[], object] | None = None
    ) -> None:
        super().__init__(name="pensee call", daemon=True)
        self.session = session
        self.function = function
        self.then = then
        self.finished = threading.Event()
        self.result: T | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.function()
        except BaseException as error:  # travels to the caller
            self.error = error
        finally:
            self.finished.set()
            if self.then is not None:
                self.then()

    def outcome(self) -> T:
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # which would hold this frame
        return cast(T, self.result)

    def stop(self) -> None:
        """Cancels, also what is only about to begin, and waits for the end."""
        while not self.finished.is_set():
            self.session.cancel()
            self.finished.wait(_STEP)


def wait(session: _pensee.Session, function: Callable[[], T]) -> T:
    """The result of `function`; Ctrl-C cancels the session."""
    call = Call(session, function)
    call.start()
    try:
        while not call.finished.wait(1):
            pass
    except BaseException:  # KeyboardInterrupt, most likely
        call.stop()
        raise
    return call.outcome()


async def wait_async(session: _pensee.Session, function: Callable[[], T]) -> T:
    """The same for an event loop, which goes on meanwhile; cancelling the task cancels the session."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def arrive() -> None:
        if not future.done():
            future.set_result(None)

    def then() -> None:
        try:
            loop.call_soon_threadsafe(arrive)
        except RuntimeError:  # the loop is closed: nobody waits any more
            pass

    call = Call(session, function, then)
    call.start()
    try:
        await future
    except BaseException:
        while not call.finished.is_set():
            session.cancel()
            await asyncio.sleep(_STEP)
        raise
    return call.outcome()


def stop_all() -> None:
    """At exit: no thread may come back into an interpreter that is gone."""
    for thread in threading.enumerate():
        if isinstance(thread, Call):
            thread.stop()
            thread.join(timeout=10)
