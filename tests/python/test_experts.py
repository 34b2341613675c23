"""Routing: traced in events, told by replies, recorded and replayed by scoring; weights replaced; speculation."""

from __future__ import annotations

import asyncio
import pathlib
from typing import Any

import numpy as np
import pytest
import tiny
from conftest import GOLDENS

import pensee

IDS = [5, 17, 99, 42, 7, 3]
GREEDY: dict[str, Any] = {"max_tokens": 10, "temperature": 0, "ignore_eos": True}


def test_events_tell_the_experts_of_their_pass(experts: pensee.Model) -> None:
    info = experts.info
    shape = (info.num_moe_layers, info.num_experts_per_tok)
    assert info.num_moe_layers > 0
    events = [event for event in experts.generate(IDS, trace_experts=True, **GREEDY) if event.token_id is not None]
    for event in events:
        assert event.expert_ids is not None and event.expert_weights is not None
        assert event.expert_ids.shape == event.expert_weights.shape == shape
        assert event.expert_ids.dtype == np.int32 and event.expert_weights.dtype == np.float32
        assert (event.expert_ids >= 0).all() and (event.expert_ids < info.n_routed_experts).all()
        assert all(len(set(row)) == len(row) for row in event.expert_ids.tolist())
    plain = next(experts.generate(IDS, **GREEDY))
    assert plain.expert_ids is None and plain.expert_weights is None


def test_a_reply_has_the_routing_of_the_whole_context(experts: pensee.Model) -> None:
    reply = experts.ask(IDS, trace_experts=True, **GREEDY)
    assert reply.routing is not None
    ids, weights = reply.routing
    positions = len(IDS) + len(reply.token_ids) - 1  # the last token is not computed
    assert len(ids) in (positions, positions + 1)
    assert ids.shape == weights.shape == (len(ids), experts.info.num_moe_layers, experts.info.num_experts_per_tok)
    assert (ids[:positions] >= 0).all()
    streamed = experts.generate(IDS, trace_experts=True, **GREEDY).reply()
    assert streamed.routing is not None
    known = streamed.routing.expert_ids[:, 0, 0] >= 0
    assert known.sum() == len(reply.token_ids) and not known[: len(IDS) - 1].any()
    assert np.array_equal(streamed.routing.expert_ids[known], ids[: len(known)][known])
    assert np.array_equal(streamed.routing.expert_weights[known], weights[: len(known)][known])
    assert experts.ask(IDS, **GREEDY).routing is None


def test_ask_async_traces_too(experts: pensee.Model) -> None:
    async def main() -> pensee.Reply:
        return await experts.ask_async(IDS, trace_experts=True, **GREEDY)

    reply, plain = asyncio.run(main()), experts.ask(IDS, trace_experts=True, **GREEDY)
    assert reply.token_ids == plain.token_ids
    assert reply.routing is not None and plain.routing is not None
    assert np.array_equal(reply.routing.expert_ids, plain.routing.expert_ids)


def test_scores_equal_the_events_bit_for_bit(experts: pensee.Model, thinker: pensee.Model) -> None:
    for model in (experts, thinker):
        reply = model.ask(IDS, max_tokens=12, temperature=1, seed=3, ignore_eos=True)
        scores = model.score([*IDS, *reply.token_ids])
        assert scores.dtype == np.float32
        assert scores[len(IDS) :].tolist() == list(reply.logprobs)
        assert np.array_equal(scores, model.logprobs([*IDS, *reply.token_ids]))


def test_routing_is_recorded_and_replayed(experts: pensee.Model) -> None:
    reply = experts.ask(IDS, trace_experts=True, **GREEDY)
    assert reply.routing is not None
    whole = [*IDS, *reply.token_ids]
    scores, routing = experts.score(whole, trace=True)
    told = len(reply.routing.expert_ids)
    assert np.array_equal(routing.expert_ids[:told], reply.routing.expert_ids)
    assert np.array_equal(routing.expert_weights[:told], reply.routing.expert_weights)
    assert np.array_equal(experts.score(whole, reply.routing), scores)
    assert np.array_equal(experts.score(whole, np.full_like(routing.expert_ids, -1)), scores)
    other = (routing.expert_ids + 1) % experts.info.n_routed_experts
    changed, used = experts.score(whole, other, trace=True)
    assert np.array_equal(np.sort(used.expert_ids), np.sort(other))
    assert not np.array_equal(changed, scores)


def test_bad_routings_are_named(experts: pensee.Model) -> None:
    shape = (len(IDS), experts.info.num_moe_layers, experts.info.num_experts_per_tok)
    wrong: list[Any] = [np.zeros((2, 2), np.int32), np.zeros((len(IDS) + 1, *shape[1:]), np.int32)]
    wrong += [np.full(shape, 10**6, np.int32), np.zeros(shape, np.int32)]  # no such expert; one expert twice
    for routing in wrong:
        with pytest.raises(pensee.BadArgument, match="expert"):
            experts.score(IDS, routing)
    with pytest.raises(TypeError, match="integers"):
        experts.score(IDS, np.zeros(shape, np.float32))


def test_scoring_tells_its_progress_and_can_be_stopped(thinker: pensee.Model) -> None:
    seen: list[float] = []
    ids = [i % 256 for i in range(600)]
    thinker.score(ids, progress=seen.append)
    assert seen and seen == sorted(seen) and 0 <= seen[0] and seen[-1] <= 1
    with pytest.raises(pensee.Error) as caught:
        thinker.score(ids, progress=lambda fraction: False)
    assert caught.value.status == pensee.Status.CANCELLED

    def fails(fraction: float) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        thinker.score(ids, progress=fails)


def test_weights_are_replaced_in_place(thinker_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    tiny.write_model(other)
    old = tiny.read_safetensors(thinker_path / "model.safetensors")
    new = {name: np.ascontiguousarray(tensor[::-1]) for name, tensor in old.items()}
    tiny.write_safetensors(other / "model.safetensors", new)
    ids = list(b"The quick brown fox")
    with pensee.Model(thinker_path) as model, pensee.Model(other) as expected:
        before = model.logits(ids)
        session = model.session()
        session.ask(ids, max_tokens=3, temperature=0)
        model.set_weights(new)
        assert np.array_equal(model.logits(ids), expected.logits(ids))
        assert not np.array_equal(model.logits(ids), before)
        reply = session.ask(ids, max_tokens=6, temperature=0)  # what it had computed is forgotten
        assert reply.usage.cached_tokens == 0
        assert reply.token_ids == expected.ask(ids, max_tokens=6, temperature=0).token_ids
        model.set_weights({"lm_head.weight": old["lm_head.weight"].astype(np.float64)})  # a part; converted


def test_weights_of_many_kinds_are_taken(thinker_path: pathlib.Path) -> None:
    class OnlyArray:
        def __init__(self, array: Any) -> None:
            self.array = array

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return self.array

    class OnlyDlpack:
        def __init__(self, array: Any) -> None:
            self.array = array

        def __dlpack__(self, **more: Any) -> Any:
            return self.array.__dlpack__(**more)

        def __dlpack_device__(self) -> Any:
            return self.array.__dlpack_device__()

    tensor = tiny.read_safetensors(thinker_path / "model.safetensors")["lm_head.weight"].copy()
    halved = tensor.astype(np.float16)
    ids = list(b"abc")
    kinds: list[Any] = [halved, halved.astype(np.float32), OnlyArray(halved), OnlyDlpack(halved.astype(np.float32))]
    kinds.append(np.asfortranarray(halved))
    with pensee.Model(thinker_path) as model:
        rows = []
        for kind in kinds:
            model.set_weights({"lm_head.weight": kind})
            rows.append(model.logits(ids))
        assert all(np.array_equal(row, rows[0]) for row in rows)
        torch = pytest.importorskip("torch")
        half = torch.from_numpy(tensor).to(torch.bfloat16).requires_grad_()
        model.set_weights({"lm_head.weight": half})
        got = model.logits(ids)
        model.set_weights({"lm_head.weight": half.detach().float().numpy()})
        assert np.array_equal(model.logits(ids), got)


def test_wrong_weights_change_nothing(thinker_path: pathlib.Path) -> None:
    with pensee.Model(thinker_path) as model:
        before = model.logits([1, 2, 3])
        good = np.zeros((tiny.VOCAB_SIZE, 64), np.float32)
        for name, tensor in (("no.such.tensor", good), ("lm_head.weight", good[:5])):
            with pytest.raises(pensee.BadArgument, match=name):
                model.set_weights({"model.norm.weight": np.zeros(64, np.float32), name: tensor})
        with pytest.raises(TypeError, match="lm_head.weight"):
            model.set_weights({"lm_head.weight": good.astype(np.int32)})
        with model.generate("Hi", temperature=0) as stream:
            next(stream)
            with pytest.raises(pensee.Error) as caught:
                model.set_weights({"lm_head.weight": good})
            assert caught.value.status == pensee.Status.BUSY
        assert np.array_equal(model.logits([1, 2, 3]), before)


def test_speculation_gives_the_same_tokens(thinker: pensee.Model, thinker_path: pathlib.Path) -> None:
    ids = list(b"abcabcabcabcabcabcabcabc")
    twin = pensee.Model(thinker_path)
    off = thinker.ask(ids, speculation="off", max_tokens=60, temperature=0)
    assert off.usage.drafted_tokens == 0
    ways: list[dict[str, Any]] = [
        {"speculation": "ngram"}, {"speculation": "auto"}, {"speculation": "ngram", "draft_max": 2},
        {"speculation": "draft", "draft_model": twin},
    ]  # fmt: skip
    for way in ways:
        reply = thinker.ask(ids, max_tokens=60, temperature=0, **way)
        assert (reply.token_ids, reply.logprobs) == (off.token_ids, off.logprobs), way
        assert 0 <= reply.usage.accepted_tokens <= reply.usage.drafted_tokens
    itself = thinker.ask(ids, max_tokens=60, temperature=0, speculation="draft", draft_model=twin)
    assert itself.usage.accepted_tokens > 0 and itself.usage.passes < off.usage.passes
    sampled = [
        thinker.ask(ids, max_tokens=40, temperature=1, seed=6, speculation=way).token_ids for way in ("off", "ngram")
    ]
    assert sampled[0] == sampled[1]


def test_a_draft_model_must_be_a_model_with_the_same_tokens(thinker: pensee.Model, experts: pensee.Model) -> None:
    with pytest.raises(TypeError, match="draft_model"):
        thinker.ask("Hi", draft_model="small")  # type: ignore[arg-type]
    with pytest.raises(pensee.Error):
        thinker.ask("Hi", draft_model=experts, speculation="draft", max_tokens=3)


def test_a_layer_of_multi_token_prediction_can_be_left_out() -> None:
    with pensee.Model(GOLDENS / "deepseek_v3", mtp=False) as model:
        assert model.info.num_mtp_layers == 0
