"""Streams in one thread: events, their order and sums, stopping, budgets, sessions."""

from __future__ import annotations

import gc
import threading

import pytest
import tiny
import waiting

import pensee


def test_every_token_is_one_event_and_the_end_comes_last(thinker: pensee.Model) -> None:
    events = list(thinker.generate("Hi", max_tokens=30, temperature=0))
    assert [event.kind for event in events[:-1]].count("end") == 0
    end = events[-1]
    assert end.kind == "end" and end.finish_reason == "length" and end.token_id is None
    tokens = [event for event in events if event.token_id is not None]
    assert len(tokens) == 30
    assert all(event.logprob is not None and event.logprob <= 0 for event in tokens)
    prompt = len(thinker.tokenize(thinker.render("Hi")))
    assert [event.position for event in tokens] == list(range(prompt, prompt + 30))
    assert end.usage is not None
    assert end.usage.prompt_tokens == prompt
    assert end.usage.thought_tokens + end.usage.answer_tokens == 30
    assert end.usage.seconds > 0 and end.usage.flops > 0 and end.usage.weight_bytes_read > 0
    assert end.usage.parameters_active == thinker.info.parameters_active


def test_greedy_follows_the_logits(thinker: pensee.Model) -> None:
    ids = list(b"abc")
    reply = thinker.ask(ids, max_tokens=12, temperature=0)
    whole = [*ids, *reply.token_ids]
    chosen = thinker.logits(whole).argmax(axis=1)
    assert list(chosen[2:-1]) == list(reply.token_ids)
    assert reply.logprobs == pytest.approx(thinker.logprobs(whole)[3:].tolist(), abs=1e-4)


def test_a_seed_gives_the_same_text_and_is_told(thinker: pensee.Model) -> None:
    first = thinker.ask("Hi", max_tokens=25, temperature=1)
    again = thinker.ask("Hi", max_tokens=25, temperature=1, seed=first.usage.seed)
    other = thinker.ask("Hi", max_tokens=25, temperature=1)
    assert first.usage.seed != 0
    assert again.token_ids == first.token_ids
    assert other.token_ids != first.token_ids


def test_a_budget_closes_the_thought_and_an_answer_follows(thinker: pensee.Model) -> None:
    free = thinker.ask("Hi", max_tokens=40, temperature=0)
    assert free.answer == "" and free.thought != ""
    reply = thinker.ask("Hi", max_tokens=40, temperature=0, think_budget=10, budget_text="")
    assert reply.thought != "" and reply.answer != ""
    assert free.thought.startswith(reply.thought.rstrip("\n\ufffd"))
    assert reply.usage.thought_tokens + reply.usage.answer_tokens == len(reply.token_ids)
    assert tiny.END_THINK in reply.token_ids
    none = thinker.ask("Hi", max_tokens=10, temperature=0, think_budget=0)
    assert none.thought.strip() == "" and none.answer != ""


def test_end_thought_closes_it_from_another_thread(thinker: pensee.Model) -> None:
    stream = thinker.generate("Hi", temperature=0, max_tokens=1500)
    kinds: list[str] = []
    for index, event in enumerate(stream):
        kinds.append(event.kind)
        if index == 5:
            thread = threading.Thread(target=stream.end_thought)
            thread.start()
            thread.join()  # what runs ahead is held by its queue, far from max_tokens
        if event.kind == "answer" and kinds.count("answer") > 5:
            break
    assert "answer" in kinds and kinds.index("answer") > 5
    assert "thought" not in kinds[kinds.index("answer") :]


def test_cancel_brings_the_end_event(thinker: pensee.Model) -> None:
    stream = thinker.generate("Hi", temperature=0)
    events = []
    for event in stream:
        events.append(event)
        if len(events) == 3:
            stream.cancel()
    assert events[-1].kind == "end" and events[-1].finish_reason == "cancelled"
    assert stream.finish_reason == "cancelled" and stream.usage == events[-1].usage
    assert list(stream) == []
    stream.cancel()  # nothing left to cancel
    stream.end_thought()


def test_leaving_the_loop_frees_the_session(thinker: pensee.Model) -> None:
    session = thinker.session()
    for _ in session.generate("Hi", temperature=0):
        break
    gc.collect()
    assert len(session.ask("Hi", max_tokens=4, temperature=0).token_ids) == 4
    stream = session.generate("Hi", temperature=0)
    next(stream)
    with pytest.raises(pensee.Error) as caught:
        session.generate("Hi")
    assert caught.value.status == pensee.Status.BUSY
    stream.close()
    stream.close()
    assert list(stream) == []
    with session.generate("Hi", temperature=0) as stream:
        next(stream)
    assert len(session.ask("Hi", max_tokens=4, temperature=0).token_ids) == 4


def test_a_session_computes_only_what_is_new(thinker: pensee.Model) -> None:
    session = thinker.session()
    ids = list(b"A conversation that grows, turn by turn.")
    first = session.ask(ids, max_tokens=8, temperature=0)
    assert first.usage.cached_tokens == 0
    longer = [*ids, *first.token_ids, *b"And then?"]
    second = session.ask(longer, max_tokens=8, temperature=0)
    assert second.usage.cached_tokens >= len(ids) + 7
    fresh = thinker.ask(longer, max_tokens=8, temperature=0)
    assert fresh.token_ids == second.token_ids


def test_session_cancel_stops_from_another_thread(thinker: pensee.Model) -> None:
    session = thinker.session()
    replies: list[pensee.Reply] = []
    with waiting.paused(thinker):
        stream = session.generate([1], temperature=0, max_tokens=2000)
        thread = threading.Thread(target=lambda: replies.append(stream.reply()))
        thread.start()
        session.cancel()
        thread.join()
    assert replies[0].finish_reason == "cancelled"


def test_close_from_another_thread_ends_a_waiting_loop(thinker: pensee.Model) -> None:
    stream = thinker.generate("Hi", temperature=0)
    next(stream)
    with waiting.paused(thinker):  # so that the loop comes to wait: no end but that by close
        threading.Timer(0.05, stream.close).start()
        events = list(stream)
    assert all(event.kind == "thought" or event.finish_reason == "cancelled" for event in events)


def test_alternatives_are_the_best_tokens_of_the_logits(thinker: pensee.Model) -> None:
    ids = list(b"abc")
    (event, _) = list(thinker.generate(ids, max_tokens=1, temperature=0, logprobs=20))
    row = thinker.logits(ids)[-1]
    best = [alternative.token_id for alternative in event.alternatives]
    assert best == list((-row).argsort(kind="stable")[:20])
    assert event.token_id == best[0]
    assert event.logprob == event.alternatives[0].logprob
    plain = next(thinker.generate(ids, max_tokens=1, temperature=0, logprobs=True))
    assert plain.alternatives == () and plain.logprob == event.logprob


def test_a_stop_string_ends_the_answer_before_it(thinker: pensee.Model) -> None:
    options = {"max_tokens": 60, "temperature": 0.0, "think_budget": 0}
    whole = thinker.ask("Hi", **options).answer  # type: ignore[arg-type]
    marks = [c for c in whole[3:] if c.isascii() and c.isprintable() and c not in whole[:3]]
    if not marks:
        pytest.skip("the random model wrote no printable character")
    reply = thinker.ask("Hi", stop=[marks[0], "never there"], **options)  # type: ignore[arg-type]
    assert reply.answer == whole[: whole.index(marks[0])]
    assert reply.finish_reason in ("stop", "budget")


def test_no_event_ends_inside_a_character(thinker: pensee.Model) -> None:
    for seed in range(1, 6):
        reply = thinker.ask("Hi", max_tokens=80, temperature=1.5, seed=seed, think_budget=0)
        ids = [t for t in reply.token_ids if t < 256]
        assert bytes(ids).decode("utf-8", "replace").endswith(reply.answer[-3:])


def test_ignore_eos_goes_on(thinker: pensee.Model) -> None:
    reply = thinker.ask([tiny.END, 5], max_tokens=50, temperature=2.0, top_p=1.0, seed=3, ignore_eos=True)
    assert len(reply.token_ids) == 50 and reply.finish_reason == "length"


def test_streams_of_many_sessions_may_be_interleaved(thinker: pensee.Model) -> None:
    prompts = [f"question {i}" for i in range(8)]
    alone = [thinker.ask(prompt, max_tokens=20, temperature=0).token_ids for prompt in prompts]
    streams = [thinker.generate(prompt, max_tokens=20, temperature=0) for prompt in prompts]
    together: list[list[int]] = [[] for _ in prompts]
    for _ in range(20):
        for index, stream in enumerate(streams):
            event = next(stream)
            if event.token_id is not None:
                together[index].append(event.token_id)
    assert [tuple(ids) for ids in together] == alone


def test_ask_returns_what_the_events_said(thinker: pensee.Model) -> None:
    events = list(thinker.generate("Hi", max_tokens=30, temperature=0, think_budget=8))
    reply = thinker.ask("Hi", max_tokens=30, temperature=0, think_budget=8)
    thought = "".join(event.text for event in events if event.kind == "thought")
    answer = "".join(event.text for event in events if event.kind == "answer")
    assert answer.startswith("\n\n")
    assert (reply.thought, reply.answer) == (thought.strip(" \t\r\n"), answer.lstrip(" \t\r\n"))
    traced = thinker.ask("Hi", max_tokens=30, temperature=0, think_budget=8, trace_experts=True)
    assert (traced.thought, traced.answer, traced.message()) == (reply.thought, reply.answer, reply.message())
    assert reply.token_ids == tuple(event.token_id for event in events if event.token_id is not None)
    assert reply.tool_calls == () and str(reply) == reply.answer
