"""Streams in an event loop: the loop never waits, tasks can be cancelled, many streams run at once."""

from __future__ import annotations

import asyncio
import gc
import pathlib
import threading
import time

import pytest
import waiting

import pensee


def pumps() -> int:
    return sum(thread.name == "pensee stream" for thread in threading.enumerate())


def wait_for_pumps() -> None:
    end = time.monotonic() + 5
    while pumps() and time.monotonic() < end:
        time.sleep(0.01)
    assert pumps() == 0


def test_async_for_gives_the_events_of_for(thinker: pensee.Model) -> None:
    plain = list(thinker.generate("Hi", max_tokens=20, temperature=0, think_budget=6))

    async def main() -> list[pensee.Event]:
        return [event async for event in thinker.generate("Hi", max_tokens=20, temperature=0, think_budget=6)]

    events = asyncio.run(main())
    assert [(e.kind, e.text, e.token_id, e.position) for e in events] == [
        (e.kind, e.text, e.token_id, e.position) for e in plain
    ]
    wait_for_pumps()


def test_many_asks_run_at_once_and_agree_with_one_alone(thinker: pensee.Model) -> None:
    prompts = [f"question {i}" for i in range(12)]
    alone = [thinker.ask(prompt, max_tokens=25, temperature=0).token_ids for prompt in prompts]

    async def main() -> list[pensee.Reply]:
        return await asyncio.gather(*(thinker.ask_async(p, max_tokens=25, temperature=0) for p in prompts))

    assert [reply.token_ids for reply in asyncio.run(main())] == alone
    wait_for_pumps()


def test_the_loop_goes_on_while_tokens_are_computed(slow_path: pathlib.Path) -> None:
    with pensee.Model(slow_path) as model:

        async def main() -> tuple[int, float]:
            ticks = 0
            task = asyncio.create_task(model.ask_async([7] * 300, max_tokens=40, temperature=0))
            begin = time.monotonic()
            while not task.done():
                await asyncio.sleep(0.002)
                ticks += 1
            await task
            return ticks, time.monotonic() - begin

        ticks, seconds = asyncio.run(main())
        assert ticks > 20 * seconds, f"{ticks} ticks in {seconds:.2f} s"


def test_cancelling_the_task_cancels_the_stream(thinker: pensee.Model) -> None:
    async def main() -> None:
        session = thinker.session()
        with waiting.paused(thinker):
            task = asyncio.create_task(session.ask_async("Hi", temperature=0))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        reply = await session.ask_async("Hi", max_tokens=3, temperature=0)  # not BUSY: it was freed
        assert len(reply.token_ids) == 3

    asyncio.run(main())
    wait_for_pumps()


def test_a_time_out_on_one_event_leaves_the_end_readable(thinker: pensee.Model) -> None:
    async def main() -> None:
        stream = thinker.generate("Hi", temperature=0)
        await stream.__anext__()
        task = asyncio.ensure_future(asyncio.sleep(0))
        await task
        stream.cancel()
        events = [event async for event in stream]
        assert events[-1].finish_reason == "cancelled"

    asyncio.run(main())
    wait_for_pumps()


def test_breaking_out_and_dropping_frees_the_session(thinker: pensee.Model) -> None:
    async def main() -> None:
        session = thinker.session()
        async for _ in session.generate("Hi", temperature=0):
            break
        gc.collect()
        while pumps():
            await asyncio.sleep(0.01)
        assert len((await session.ask_async("Hi", max_tokens=2)).token_ids) == 2
        async with session.generate("Hi", temperature=0) as stream:
            async for _ in stream:
                break
        assert len((await session.ask_async("Hi", max_tokens=2)).token_ids) == 2

    asyncio.run(main())
    wait_for_pumps()


def test_a_stream_left_behind_by_its_loop_ends(thinker: pensee.Model) -> None:
    async def main() -> pensee.Stream:
        stream = thinker.generate("Hi", temperature=0)
        await stream.__anext__()
        return stream

    stream = asyncio.run(main())
    with pytest.raises(RuntimeError, match="async for"):
        next(stream)
    stream.close()
    wait_for_pumps()


def test_a_slow_reader_holds_the_pump_back_not_the_text(thinker: pensee.Model) -> None:
    alone = thinker.ask("Hi", max_tokens=150, temperature=0)

    async def main() -> list[int]:
        ids = []
        async for event in thinker.generate("Hi", max_tokens=150, temperature=0):
            if event.token_id is not None:
                ids.append(event.token_id)
            await asyncio.sleep(0.001)
        return ids

    assert tuple(asyncio.run(main())) == alone.token_ids


def test_errors_at_the_start_are_raised_by_the_call(thinker: pensee.Model) -> None:
    async def main() -> None:
        with pytest.raises(pensee.BadArgument):
            await thinker.ask_async("Hi", temperature=-5)
        with pytest.raises(pensee.BadArgument):
            await thinker.ask_async([])

    asyncio.run(main())
