"""The keywords of generate(): what each does to a reply."""

from __future__ import annotations

import math
import pathlib
from typing import Any

import pytest
import tiny

import pensee

GREEDY: dict[str, Any] = {"max_tokens": 40, "temperature": 0}


def test_none_is_as_good_as_leaving_a_keyword_away(thinker: pensee.Model) -> None:
    nothing: dict[str, Any] = dict.fromkeys(pensee.GenerateOptions.__annotations__)
    plain = thinker.ask("Hi", max_tokens=20, temperature=0)
    assert thinker.ask("Hi", **{**nothing, "max_tokens": 20, "temperature": 0}).token_ids == plain.token_ids


def test_prefixes_begin_the_thought_and_the_answer(thinker: pensee.Model) -> None:
    quiet: dict[str, Any] = {"budget_text": "", **GREEDY}
    reply = thinker.ask("Hi", thought_prefix="Well: ", answer_prefix="So: ", think_budget=20, **quiet)
    assert reply.thought.lstrip().startswith("Well: ")
    assert reply.answer.lstrip().startswith("So: ")
    events = list(thinker.generate("Hi", answer_prefix="So: ", think_budget=0, **quiet))
    forced = [event for event in events if event.forced]
    assert b"So: " in bytes(event.token_id or 0 for event in forced if (event.token_id or 0) < 256)
    assert any(not event.forced and event.token_id is not None for event in events)


def test_the_budgets_text_closes_the_thought(thinker: pensee.Model) -> None:
    reply = thinker.ask("Hi", think_budget=10, budget_text="Enough.", **GREEDY)
    assert "Enough." in reply.thought
    assert reply.finish_reason in ("budget", "length")
    quiet = thinker.ask("Hi", think_budget=10, budget_text="", **GREEDY)
    assert "Enough." not in quiet.thought and quiet.answer != ""


def test_an_answer_budget_ends_the_answer(thinker: pensee.Model) -> None:
    reply = thinker.ask("Hi", think_budget=5, budget_text="", answer_budget=7, temperature=0, max_tokens=200)
    assert reply.finish_reason == "length"
    assert 7 <= reply.usage.answer_tokens <= 9  # what closes the thought may count
    assert len(reply.token_ids) < 40


def test_a_thought_may_not_end_before_its_minimum(thinker: pensee.Model) -> None:
    eager = {tiny.END_THINK: 100.0}
    reply = thinker.ask("Hi", logit_bias=eager, max_tokens=60, temperature=0, answer_budget=5)
    assert reply.usage.thought_tokens < 5
    held = thinker.ask("Hi", logit_bias=eager, max_tokens=60, temperature=0, min_thought=30, answer_budget=5)
    assert 30 <= held.usage.thought_tokens < 40


def test_logit_bias_forbids_and_forces_tokens(thinker: pensee.Model) -> None:
    free = thinker.ask("Hi", **GREEDY)
    banned = free.token_ids[0]
    without = thinker.ask("Hi", logit_bias={banned: -math.inf}, **GREEDY)
    assert banned not in without.token_ids
    assert thinker.ask("Hi", logit_bias={str(banned): -math.inf}, **GREEDY).token_ids == without.token_ids
    forced = thinker.ask("Hi", logit_bias={65: 1000.0}, max_tokens=6, temperature=0)
    assert forced.token_ids == (65,) * 6


def test_a_repetition_penalty_spreads_the_tokens(thinker: pensee.Model) -> None:
    plain = thinker.ask("Hi", max_tokens=60, temperature=0)
    penalised = thinker.ask("Hi", max_tokens=60, temperature=0, repetition_penalty=5.0, penalty_last_n=-1)
    present = thinker.ask("Hi", max_tokens=60, temperature=0, presence_penalty=2.0, frequency_penalty=2.0)
    assert len(set(penalised.token_ids)) > len(set(plain.token_ids))
    assert present.token_ids != plain.token_ids


def test_samplers_run_in_the_order_given(thinker: pensee.Model) -> None:
    sample: dict[str, Any] = {"max_tokens": 30, "temperature": 2.0, "seed": 5}
    greedy = thinker.ask("Hi", max_tokens=30, temperature=0)
    assert thinker.ask("Hi", top_k=1, **sample).token_ids == greedy.token_ids
    without = thinker.ask("Hi", top_k=1, sampler_order=["temperature"], **sample)  # top_k does not run
    assert without.token_ids != greedy.token_ids
    assert thinker.ask("Hi", top_n_sigma=0.001, **sample).token_ids == greedy.token_ids
    again = thinker.ask("Hi", mirostat=2, mirostat_tau=3.0, mirostat_eta=0.2, **sample)
    assert again.token_ids == thinker.ask("Hi", mirostat=2, mirostat_tau=3.0, mirostat_eta=0.2, **sample).token_ids


def test_the_answer_may_be_sampled_otherwise_than_the_thought(thinker: pensee.Model) -> None:
    sample: dict[str, Any] = {"max_tokens": 60, "temperature": 2.0, "top_p": 1.0, "think_budget": 20}
    sample["budget_text"] = ""
    replies = [
        thinker.ask("Hi", seed=seed, answer_sampling=pensee.Sampling(logit_bias={66: 1000.0}), **sample)
        for seed in (1, 2)
    ]
    assert replies[0].thought != replies[1].thought
    for reply in replies:
        assert reply.answer.strip() and set(reply.answer.strip()) == {"B"}
        assert set(reply.thought.strip()) != {"B"}


def test_the_loop_guard_closes_a_thought_that_goes_in_circles(thinker: pensee.Model) -> None:
    circle: dict[str, Any] = {"logit_bias": {65: 1000.0}, "temperature": 0, "max_tokens": 300}
    guarded = thinker.ask("Hi", loop_ngram=4, loop_repeats=3, loop_window=64, answer_budget=5, **circle)
    assert guarded.finish_reason in ("loop", "length") and guarded.answer != ""
    assert guarded.usage.thought_tokens < 100
    free = thinker.ask("Hi", loop_guard=False, loop_ngram=4, loop_repeats=3, loop_window=64, **circle)
    assert free.answer == "" and len(free.token_ids) == 300


def test_open_thought_opens_one_where_the_template_does_not(
    thinker_path: pathlib.Path, tmp_path: pathlib.Path, smollm2: pensee.Model
) -> None:
    config = thinker_path / "tokenizer_config.json"
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).symlink_to(thinker_path / name)
    (tmp_path / config.name).write_text(config.read_text().replace("<think>\\n", ""))
    options: dict[str, Any] = {"temperature": 0, "max_tokens": 30, "think_budget": 12, "budget_text": ""}
    with pensee.Model(tmp_path) as model:
        assert not model.render("Hi").endswith("<think>\n")
        assert model.ask("Hi", **options).thought == ""
        reply = model.ask("Hi", open_thought=True, **options)
        assert reply.thought != "" and reply.answer != "" and tiny.THINK in reply.token_ids[:1]
    with pytest.raises(pensee.Error) as caught:
        smollm2.ask("Hi", open_thought=True)  # it has no tags to open a thought with
    assert caught.value.status == pensee.Status.UNSUPPORTED


def test_effort_becomes_a_budget_where_the_family_has_no_levels(thinker: pensee.Model) -> None:
    reply = thinker.ask("Hi", effort="minimal", loop_guard=False, temperature=0, max_tokens=400)
    assert 256 <= reply.usage.thought_tokens < 256 + 100  # and what closes it
    assert reply.answer != ""
    none = thinker.ask("Hi", effort="none", temperature=0, max_tokens=20)
    assert none.thought.strip() == "" and none.answer != ""


def test_priority_and_waiting_are_told(thinker: pensee.Model) -> None:
    reply = thinker.ask("Hi", priority=100, max_tokens=4, temperature=0)
    assert reply.usage.seconds_waiting >= 0
    assert reply.usage.passes >= 1


def test_one_more_than_may_wait_is_busy(thinker_path: pathlib.Path) -> None:
    with pensee.Model(thinker_path, max_concurrent=1, max_waiting=1) as model:
        running = model.generate("a", temperature=0, max_tokens=1000)
        next(running)
        waiting = model.generate("b", temperature=0, max_tokens=3)
        with pytest.raises(pensee.Error) as caught:
            for _ in range(3):
                model.generate("c", max_tokens=3)
        assert caught.value.status == pensee.Status.BUSY
        running.close()
        assert len(waiting.reply().token_ids) == 3


def test_a_prefix_cache_serves_another_session(thinker_path: pathlib.Path) -> None:
    ids = [i % 256 for i in range(200)]
    with pensee.Model(thinker_path) as model:
        first = model.ask(ids, max_tokens=4, temperature=0)
        second = model.ask(ids, max_tokens=4, temperature=0)
        assert first.usage.cached_tokens == 0 and second.usage.cached_tokens > 100
        assert first.token_ids == second.token_ids
    with pensee.Model(thinker_path, prefix_cache_bytes=-1) as model:
        replies = [model.ask(ids, max_tokens=4, temperature=0) for _ in range(2)]
        assert [reply.usage.cached_tokens for reply in replies] == [0, 0]
        assert replies[0].token_ids == first.token_ids


def test_caches_of_8_bits_are_small_and_close(thinker_path: pathlib.Path, thinker: pensee.Model) -> None:
    ids = [i % 256 for i in range(50)]
    expected = thinker.logits(ids)
    scale = float((expected**2).mean()) ** 0.5
    with pensee.Model(thinker_path, cache_type="int8") as model:
        in_8_bits = model.info.cache_bytes_per_token  # a head's 16 numbers and a scale
        assert in_8_bits == thinker.info.cache_bytes_per_token * 20 // 64
        assert 0 < abs(model.logits(ids) - expected).max() < 0.2 * scale
    with pensee.Model(thinker_path, cache_type="f32", value_cache_type="f16") as model:  # values apart from keys
        assert model.info.cache_bytes_per_token == thinker.info.cache_bytes_per_token * 3 // 4
        assert 0 < abs(model.logits(ids) - expected).max() < 0.01 * scale
    with pensee.Model(thinker_path, cache_type="int8", value_cache_type="int4") as model:
        assert model.info.cache_bytes_per_token == in_8_bits  # 16 numbers fill half a piece of 32
        assert model.ask(ids, max_tokens=4, temperature=0).token_ids
    with pytest.raises(pensee.Error):
        pensee.Model(thinker_path, cache_type="int4")  # keys need more
