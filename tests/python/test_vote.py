"""Votes: what the replies agree on, weighted, early and cancelled."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest
import waiting

import pensee

# A random model whose answer is one of two letters: the vote has something to count.
LETTERS: dict[str, Any] = {
    "think_budget": 0, "budget_text": "", "answer_budget": 3, "temperature": 1.0, "top_p": 1.0, "seed": 4,
    "answer_sampling": {"logit_bias": {65: 1000.0, 66: 999.6}},
}  # fmt: skip


def test_the_winner_is_what_most_replies_say(thinker: pensee.Model) -> None:
    vote = thinker.vote("Hi", n=12, all=True, **LETTERS)
    assert len(vote.replies) == 12
    counts = Counter(reply.answer.strip().lower() for reply in vote.replies)
    assert {answer.answer.lower(): answer.votes for answer in vote.answers} == dict(counts)
    assert vote.answer == vote.answers[0].answer == str(vote)
    assert vote.answers[0].votes == max(counts.values())
    assert vote.answers[0].weight == pytest.approx(max(counts.values()) / 12)
    assert sum(answer.weight for answer in vote.answers) == pytest.approx(1)
    for answer in vote.answers:
        assert vote.replies[answer.reply].answer.strip().lower() == answer.answer.lower()
    assert vote.reply is vote.replies[vote.answers[0].reply]


def test_a_vote_is_reproducible_and_its_replies_have_seeds(thinker: pensee.Model) -> None:
    first = thinker.vote("Hi", n=6, all=True, **LETTERS)
    again = thinker.vote("Hi", n=6, all=True, at_once=2, **LETTERS)
    assert [reply.token_ids for reply in first.replies] == [reply.token_ids for reply in again.replies]
    for reply in first.replies[:3]:
        alone = thinker.ask("Hi", **{**LETTERS, "seed": reply.usage.seed})
        assert alone.token_ids == reply.token_ids


def test_confidence_weighs_by_the_mean_probability(thinker: pensee.Model) -> None:
    import numpy as np

    vote = thinker.vote("Hi", n=8, weighting="confidence", all=True, **LETTERS)
    weights: dict[str, float] = {}
    for reply in vote.replies:
        answer = reply.answer.strip().lower()
        weights[answer] = weights.get(answer, 0.0) + float(np.exp(np.mean(reply.logprobs)))
    total = sum(weights.values())
    for answer_of in vote.answers:
        assert answer_of.weight == pytest.approx(weights[answer_of.answer.lower()] / total, rel=1e-3)


def test_what_still_runs_is_cancelled_when_the_majority_is_certain(thinker: pensee.Model) -> None:
    sure = {**LETTERS, "answer_budget": 60, "answer_sampling": {"logit_bias": {65: 1000.0}}}
    vote = thinker.vote("Hi", n=30, at_once=2, **sure)
    assert vote.answer is not None and set(vote.answer.lower()) == {"a"}
    cancelled = sum(reply.finish_reason == "cancelled" for reply in vote.replies)
    assert cancelled > 0
    assert vote.answers[0].votes == 30 - cancelled >= 15


def test_cancelling_a_vote_is_heard(thinker: pensee.Model) -> None:
    async def main() -> None:
        session = thinker.session()
        with waiting.paused(thinker):
            task = asyncio.create_task(session.vote_async("Hi", n=4, temperature=1, max_tokens=1500))
            await asyncio.sleep(0.05)
            begin = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert time.monotonic() - begin < 5
        assert len((await session.ask_async("Hi", max_tokens=2)).token_ids) == 2
        vote = await session.vote_async("Hi", n=3, **LETTERS)
        assert vote.answers

    asyncio.run(main())


def test_bad_arguments_are_named(thinker: pensee.Model) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("n", {"n": 0}), ("n", {"n": 1025}), ("weighting", {"weighting": "gold"}), ("at_once", {"at_once": -1}),
        ("temperature", {"temperature": -3}),
    ]  # fmt: skip
    for name, options in wrong:
        with pytest.raises(pensee.BadArgument, match=name):
            thinker.vote("Hi", **options)


def test_a_real_model_agrees_on_a_fact(smollm2: pensee.Model) -> None:
    question = "What is the capital of France? Reply with one word."
    vote = smollm2.vote(question, n=5, max_tokens=12, temperature=0.3, seed=1, all=True)
    assert vote.answer is not None and "paris" in vote.answer.lower()
