"""Sessions: forked, cut back, saved and restored; many samples of one prompt."""

from __future__ import annotations

import asyncio
import pathlib
import threading
from typing import Any

import pytest
import waiting

import pensee

IDS = list(b"Talks go on and on, a turn after the other.")


def test_a_fork_knows_what_its_session_knows(thinker: pensee.Model) -> None:
    session = thinker.session()
    first = session.ask(IDS, max_tokens=8, temperature=0)
    assert session.tokens[: len(IDS)] == IDS
    fork = session.fork()
    assert fork.tokens == session.tokens
    longer = [*IDS, *first.token_ids, *b"And then?"]
    there = fork.ask(longer, max_tokens=8, temperature=0)
    assert there.usage.cached_tokens >= len(IDS) + 7
    assert session.tokens != fork.tokens  # each goes its own way
    assert session.ask(longer, max_tokens=8, temperature=0).token_ids == there.token_ids
    session.close()
    assert fork.ask(IDS, max_tokens=8, temperature=0).token_ids == first.token_ids


def test_rewind_forgets_all_but_the_first_tokens(thinker: pensee.Model) -> None:
    session = thinker.session()
    reply = session.ask(IDS, max_tokens=8, temperature=0)
    session.rewind(10)
    assert session.tokens == IDS[:10]
    again = session.ask(IDS, max_tokens=8, temperature=0)
    assert again.token_ids == reply.token_ids
    with pytest.raises(pensee.BadArgument):
        session.rewind(-1)


def test_a_restored_session_answers_as_the_saved_one_would(thinker: pensee.Model, tmp_path: pathlib.Path) -> None:
    session = thinker.session()
    first = session.ask(IDS, max_tokens=8, temperature=0)
    path = tmp_path / "talk.session"
    session.save(path)
    longer = [*IDS, *first.token_ids, *b"And then?"]
    expected = session.ask(longer, max_tokens=12, temperature=1, seed=3)
    assert expected.usage.cached_tokens > 0
    for restored in (thinker.restore(path), thinker.restore(str(path)), thinker.loads(path.read_bytes())):
        assert restored.tokens[: len(IDS)] == IDS
        reply = restored.ask(longer, max_tokens=12, temperature=1, seed=3)
        assert (reply.token_ids, reply.logprobs) == (expected.token_ids, expected.logprobs)
        assert reply.usage.cached_tokens >= expected.usage.cached_tokens
    data = thinker.restore(path).dumps()
    assert thinker.loads(data).tokens == thinker.restore(path).tokens


def test_a_damaged_or_foreign_save_is_an_error(
    thinker: pensee.Model, experts: pensee.Model, tmp_path: pathlib.Path
) -> None:
    session = thinker.session()
    session.ask(IDS, max_tokens=4, temperature=0)
    data = session.dumps()
    for at in (0, 9, len(data) // 2, len(data) - 1):
        broken = bytearray(data)
        broken[at] ^= 0x40
        with pytest.raises(pensee.Error):
            thinker.loads(broken)
    for size in (0, 7, len(data) - 1):
        with pytest.raises(pensee.Error):
            thinker.loads(data[:size])
    with pytest.raises(pensee.BadArgument):
        experts.loads(data)
    with pytest.raises(pensee.FileNotFound, match="nowhere"):
        thinker.restore(tmp_path / "nowhere")
    with pytest.raises(pensee.Error):
        session.save(tmp_path / "no" / "such" / "folder")


def test_a_streaming_session_is_busy(thinker: pensee.Model, tmp_path: pathlib.Path) -> None:
    session = thinker.session()
    with session.generate("Hi", temperature=0) as stream:
        next(stream)
        for call in (session.fork, session.dumps, lambda: session.rewind(0), lambda: session.save(tmp_path / "x")):
            with pytest.raises(pensee.Error) as caught:
                call()
            assert caught.value.status == pensee.Status.BUSY
    session.fork()


def test_end_thought_of_a_session_closes_it(thinker: pensee.Model) -> None:
    session = thinker.session()
    replies: list[pensee.Reply] = []
    options: dict[str, Any] = {"temperature": 0, "max_tokens": 1500, "loop_guard": False, "answer_budget": 5}
    with waiting.paused(thinker):
        stream = session.generate("Hi", **options)
        thread = threading.Thread(target=lambda: replies.append(stream.reply()))
        thread.start()
        session.end_thought()
    thread.join()
    assert replies[0].answer != "" and len(replies[0].token_ids) < 100


def test_samples_share_the_prompt_and_each_can_be_had_alone(thinker: pensee.Model) -> None:
    reply = thinker.ask(IDS, n=4, max_tokens=16, temperature=1, seed=9)
    assert len(reply.samples) == 4 and reply.samples[0] is reply and reply.choices == reply.samples
    assert len({sample.token_ids for sample in reply.samples}) == 4
    assert reply.token_ids == thinker.ask(IDS, max_tokens=16, temperature=1, seed=9).token_ids
    for sample in reply.samples:
        alone = thinker.ask(IDS, max_tokens=16, temperature=1, seed=sample.usage.seed)
        assert (sample.token_ids, sample.logprobs) == (alone.token_ids, alone.logprobs)


def test_a_stream_of_samples_has_an_end_for_each(thinker: pensee.Model) -> None:
    session = thinker.session()
    events = list(session.generate(IDS, n=3, max_tokens=10, temperature=1, seed=2))
    assert sorted(event.sample for event in events if event.kind == "end") == [0, 1, 2]
    assert {event.sample for event in events} == {0, 1, 2}
    whole = pensee.Reply.from_events(events)
    asked = thinker.ask(IDS, n=3, max_tokens=10, temperature=1, seed=2)
    assert [sample.token_ids for sample in whole.samples] == [sample.token_ids for sample in asked.samples]
    assert len(session.ask(IDS, max_tokens=2).token_ids) == 2  # the session is free

    async def main() -> pensee.Reply:
        return await session.ask_async(IDS, n=3, max_tokens=10, temperature=1, seed=2)

    again = asyncio.run(main())
    assert [sample.token_ids for sample in again.samples] == [sample.token_ids for sample in asked.samples]
    with pytest.raises(RuntimeError, match="closed before its end"):
        pensee.Reply.from_events(events[:3])


def test_cancelling_a_stream_of_samples_ends_them_all(thinker: pensee.Model) -> None:
    stream = thinker.generate("Hi", n=3, temperature=1, max_tokens=1000, ignore_eos=True)
    next(stream)
    stream.cancel()
    ends = [event for event in stream if event.kind == "end"]
    assert len(ends) == 3
    assert {event.finish_reason for event in ends} == {"cancelled"}
    assert stream.finish_reason == "cancelled"
