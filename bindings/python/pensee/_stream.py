"""Streams: one iterator for `for` and for `async for`.

A plain `for` pulls events on the calling thread, with the GIL released while it waits. `async for` starts one thread a
stream (the pump), which pulls and hands events to the event loop: the loop never waits, and many streams run at once.
The pump holds the native stream, never the Stream: dropping a Stream therefore always cancels and frees.
"""

from __future__ import annotations

import asyncio
import atexit
import collections
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from . import _calls, _openai, _pensee
from ._options import FINISH_REASONS, KINDS
from ._reply import expert_arrays, reply_of_events
from ._types import Alternative, Event, EventKind, FinishReason, Reply, ToolCall, Usage

if TYPE_CHECKING:
    from typing_extensions import Self

_READ_AHEAD_MAX = 64  # events that a pump pulls before the loop takes them
_living: weakref.WeakSet[Stream] = weakref.WeakSet()


class _Source:
    """A native stream whose events are Events. With the last of its `ends` it is closed: before anybody hears of the
    end, the session is free."""

    def __init__(self, native: _pensee.Stream, ends: int, expert_shape: tuple[int, int]) -> None:
        self.native = native
        self.ends = ends
        self.expert_shape = expert_shape

    def next(self) -> Event:
        raw = self.native.next(-1)
        assert raw is not None  # there was no time-out
        event = self._event(raw)
        if event.kind == "end":
            self.ends -= 1
            if self.ends <= 0:
                self.native.close()
        return event

    def _event(self, raw: _pensee.RawEvent) -> Event:
        kind, finish_reason, text, token_id, logprob, position, alternatives, tool_call, usage = raw[:9]
        sample, forced, expert_ids, expert_weights = raw[9:]
        has_token = token_id >= 0
        experts = None
        if expert_ids is not None and expert_weights is not None:
            experts = expert_arrays(self.expert_shape, expert_ids, expert_weights)
        return Event(
            kind=cast(EventKind, KINDS.get(kind, "answer")),
            text=text,
            token_id=token_id if has_token else None,
            logprob=logprob if has_token else None,
            position=position if has_token else None,
            alternatives=tuple(Alternative(*pair) for pair in alternatives),
            tool_call=None if tool_call is None else ToolCall(*tool_call),
            finish_reason=cast("FinishReason | None", FINISH_REASONS.get(finish_reason)),
            usage=None if usage is None else Usage(**usage),
            sample=sample,
            forced=forced,
            expert_ids=None if experts is None else experts.expert_ids,
            expert_weights=None if experts is None else experts.expert_weights,
        )


class _Pump(threading.Thread):
    """Pulls a native stream into the event loop that asked for it."""

    def __init__(self, source: _Source, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="pensee stream", daemon=True)
        self.source = source
        self.native = source.native
        self.loop = loop
        self.stopped = threading.Event()
        self.room = threading.Semaphore(_READ_AHEAD_MAX)
        self.items: collections.deque[Event | BaseException] = collections.deque()  # the loop's thread alone
        self.waiter: asyncio.Future[None] | None = None  # likewise

    def run(self) -> None:
        try:
            while not self.stopped.is_set():
                event = self.source.next()
                self.room.acquire()  # stop() adds room
                if self.stopped.is_set():
                    continue
                if not self._hand_over(event):
                    return
        except StopIteration:
            self._hand_over(StopAsyncIteration())
        except BaseException as error:  # travels to the task that iterates
            self.native.close()
            self._hand_over(error)
        finally:
            self.native.close()

    def _hand_over(self, item: Event | BaseException) -> bool:
        try:
            self.loop.call_soon_threadsafe(self._arrive, item)
        except RuntimeError:  # the loop is closed: nobody listens any more
            return False
        return True

    def _arrive(self, item: Event | BaseException) -> None:
        self.items.append(item)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def get(self) -> Event:
        while not self.items:
            self.waiter = self.loop.create_future()
            try:
                await self.waiter
            finally:
                self.waiter = None
        item = self.items.popleft()
        self.room.release()
        if isinstance(item, BaseException):
            raise item
        return item

    def stop(self) -> None:
        self.stopped.set()
        self.native.cancel()
        self.room.release()


class Stream(Iterator[Event], AsyncIterator[Event]):
    """The events of one generation, to iterate once: `for event in stream` or `async for event in stream`.

    The last event has kind "end" and carries usage and finish_reason; with n, samples are mixed and each has its end.
    An error inside the generation is raised by the iteration. Leaving a loop early and dropping the stream (or `with`,
    `close()`) cancels the generation. A task that is cancelled while it waits for an event cancels the generation too;
    the "end" event can still be read.

    cancel() and end_thought() may be called from any thread at any time; iterate from one thread or task at a time.
    """

    usage: Usage | None
    """Set once the "end" event (of sample 0) was delivered."""
    finish_reason: FinishReason | None
    """Set once the "end" event (of sample 0) was delivered."""

    def __init__(self, native: _pensee.Stream, n: int = 1, expert_shape: tuple[int, int] = (0, 0)) -> None:
        self._native = native
        self._source = _Source(native, n, expert_shape)
        self._ends_left = n
        self._pump: _Pump | None = None
        self._done = False
        self.usage = None
        self.finish_reason = None
        _living.add(self)

    def __repr__(self) -> str:
        state = self.finish_reason or ("closed" if self._done else "open")
        return f"<pensee.Stream {state}>"

    # -- in one thread

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Event:
        if self._pump is not None:
            raise RuntimeError("this stream is iterated with `async for`: `for` cannot go on with it")
        if self._done:
            raise StopIteration
        try:
            return self._seen(self._source.next())
        except StopIteration:
            self._done = True
            raise
        except BaseException:  # an error of the stream, or KeyboardInterrupt
            self.close()
            raise

    def _seen(self, event: Event) -> Event:
        if event.kind == "end":
            if event.sample == 0:
                self.usage, self.finish_reason = event.usage, event.finish_reason
            self._ends_left -= 1
            self._done = self._ends_left <= 0
        return event

    def reply(self) -> Reply:
        """Waits for the rest and returns it as one Reply, with n its `samples`. Events that were taken before are not
        in it: Reply.from_events() takes them all."""
        with self:
            return reply_of_events(list(self))

    def chunks(self, model: str = "pensee") -> Iterator[dict[str, Any]]:
        """Iterates as OpenAI's "chat.completion.chunk" dictionaries, thoughts as "reasoning_content"; the last one
        holds the usage alone. model: the name that stands in them."""
        return _openai.chunks(self, model)

    # -- in an event loop

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Event:
        if self._done:
            raise StopAsyncIteration
        if self._pump is None:
            self._pump = _Pump(self._source, asyncio.get_running_loop())
            self._pump.start()
        try:
            return self._seen(await self._pump.get())
        except asyncio.CancelledError:
            self.cancel()
            raise
        except BaseException:
            self._done = True
            raise

    def chunks_async(self, model: str = "pensee") -> AsyncIterator[dict[str, Any]]:
        """chunks() for `async for`."""
        return _openai.chunks_async(self, model)

    async def reply_async(self) -> Reply:
        """Like reply(), without blocking the event loop."""
        async with self:
            return reply_of_events([event async for event in self])

    # -- stopping

    def cancel(self) -> None:
        """Stops the generation within one token or one chunk of the prompt; the "end" event follows. Any thread."""
        self._native.cancel()

    def end_thought(self) -> None:
        """Closes the thought now, if one is open; the answer follows. Any thread."""
        self._native.end_thought()

    def close(self) -> None:
        """Cancels what still runs and frees it; iteration ends. May be called again."""
        self._done = True
        if self._pump is not None:
            self._pump.stop()  # which frees: here it could keep an event loop waiting
        else:
            self._native.close()

    async def aclose(self) -> None:
        """close() without blocking the event loop; returns when the session is free again."""
        self._done = True
        if self._pump is None:
            await asyncio.to_thread(self._native.close)
        else:
            self._pump.stop()
            await asyncio.to_thread(self._pump.join)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if hasattr(self, "_done"):
            self.close()


@atexit.register
def _stop_everything() -> None:
    """No thread may come back into an interpreter that is gone."""
    for stream in list(_living):
        stream.close()
    for thread in threading.enumerate():
        if isinstance(thread, _Pump):
            thread.join(timeout=10)
    _calls.stop_all()
    _pensee.stop_callbacks()
