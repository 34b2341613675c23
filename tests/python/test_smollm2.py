"""A real model: SmolLM2-135M in Q4_1 against transformers in float32 (tests/goldens/data/smollm2_greedy.json).

Where the oracle's best two tokens are closer than GAP_MIN, sums in another order may turn the choice: equality is asked
up to there, and of every position on its own when the oracle's tokens are given."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from conftest import GOLDENS

import pensee

GAP_MIN = 0.05
ORACLE = json.loads((GOLDENS / "smollm2_greedy.json").read_text(encoding="utf-8"))
PROMPTS: list[dict[str, Any]] = ORACLE["prompts"]
BY_NAME = pytest.mark.parametrize("prompt", PROMPTS, ids=[prompt["name"] for prompt in PROMPTS])


@BY_NAME
def test_text_becomes_the_oracles_ids(smollm2: pensee.Model, prompt: dict[str, Any]) -> None:
    assert smollm2.tokenize(prompt["text"]) == prompt["ids"]
    assert smollm2.detokenize(prompt["ids"]) == prompt["text"]
    if "messages" in prompt:
        assert smollm2.render(prompt["messages"]) == prompt["text"]


@BY_NAME
def test_greedy_tokens_until_the_oracle_hesitates(smollm2: pensee.Model, prompt: dict[str, Any]) -> None:
    source = prompt.get("messages", prompt["ids"])
    reply = smollm2.ask(source, max_tokens=len(prompt["greedy"]), temperature=0)
    got, expected = list(reply.token_ids), prompt["greedy"]
    equal = next((i for i, pair in enumerate(zip(got, expected)) if pair[0] != pair[1]), min(len(got), len(expected)))
    if equal < len(expected) - 1:  # whether the token that ends a reply is one of its ids is the library's choice
        assert prompt["gaps"][equal] < GAP_MIN, (equal, prompt["gaps"][equal], reply.answer)
    elif "answer" in prompt and reply.finish_reason == "stop":
        assert reply.answer == prompt["answer"]


def test_at_least_64_greedy_tokens_are_equal_in_most_prompts(smollm2: pensee.Model) -> None:
    whole = 0
    long = [prompt for prompt in PROMPTS if len(prompt["greedy"]) >= 64]
    for prompt in long:
        reply = smollm2.ask(prompt["ids"], max_tokens=64, temperature=0)
        whole += list(reply.token_ids) == prompt["greedy"][:64]
    assert whole > len(long) // 2


@BY_NAME
def test_every_choice_given_the_oracles_tokens(smollm2: pensee.Model, prompt: dict[str, Any]) -> None:
    ids, greedy = prompt["ids"], prompt["greedy"]
    logits = smollm2.logits([*ids, *greedy])[len(ids) - 1 : -1]
    for row, token, gap in zip(logits, greedy, prompt["gaps"], strict=True):
        best = int(row.argmax())
        assert best == token or gap < GAP_MIN
        others = np.delete(row, token)
        assert abs((row[token] - others.max()) - gap) < GAP_MIN


def test_logits_and_logprobs_of_a_passage(smollm2: pensee.Model) -> None:
    passage = ORACLE["passage"]
    logits = smollm2.logits(passage["ids"])
    logprobs = smollm2.logprobs(passage["ids"])
    for row in passage["rows"]:
        assert np.abs(logits[row["position"]][row["ids"]] - row["logits"]).max() < GAP_MIN
        assert abs(logprobs[row["position"] + 1] - row["next_logprob"]) < GAP_MIN
    perplexity = float(np.exp(-logprobs[1:].mean()))
    assert abs(perplexity / passage["perplexity"] - 1) < 0.002


def test_a_chat_of_two_turns_computes_only_the_new_turn(smollm2: pensee.Model) -> None:
    session = smollm2.session()
    messages = [{"role": "user", "content": "What is gravity?"}]
    first = session.ask(messages, max_tokens=100, temperature=0)
    assert first.thought == "" and "gravity" in first.answer.lower()
    assert first.usage.thought_tokens == 0
    messages += [{"role": "assistant", "content": first.answer}, {"role": "user", "content": "Who described it first?"}]
    second = session.ask(messages, max_tokens=20, temperature=0)
    assert second.usage.cached_tokens >= first.usage.prompt_tokens
    assert second.usage.cached_tokens < second.usage.prompt_tokens
    assert smollm2.ask(messages, max_tokens=20, temperature=0).token_ids == second.token_ids


def test_the_file_says_what_it_is(smollm2: pensee.Model) -> None:
    info = smollm2.info
    assert info.architecture == "llama"
    assert (info.num_hidden_layers, info.hidden_size, info.vocab_size) == (30, 576, 49152)
    assert 134e6 < info.parameters_total < 136e6
    assert "Q4_1" in info.quantization
    assert not info.thinks and info.has_chat_template


def test_sampling_by_seed_is_the_same_in_any_company(smollm2: pensee.Model) -> None:
    alone = smollm2.ask("Tell me a story.", max_tokens=24, temperature=0.9, seed=11)
    streams = [smollm2.generate("Tell me a story.", max_tokens=24, temperature=0.9, seed=seed) for seed in (11, 12, 13)]
    replies = [stream.reply() for stream in streams]
    assert replies[0].token_ids == alone.token_ids
    assert replies[1].token_ids != alone.token_ids
