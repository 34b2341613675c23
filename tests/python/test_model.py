"""Opening a model from everywhere, its facts, tokens, scores and prompts."""

from __future__ import annotations

import array
import dataclasses
import io
import math
import mmap
import pathlib
import threading
import time

import numpy as np
import pytest
import tiny

import pensee


def test_opens_from_a_path_or_a_pathlike(thinker_path: pathlib.Path) -> None:
    for path in (thinker_path, str(thinker_path), thinker_path / "model.safetensors"):
        with pensee.Model(path) as model:
            assert model.info.architecture == "qwen2"


def test_a_gguf_is_the_same_from_path_memory_mapping_and_descriptor(smollm2_path: pathlib.Path) -> None:
    ids = [1, 504, 2068, 30]
    expected = pensee.Model(smollm2_path).logits(ids)
    before, after = b"x" * 4096, b"y" * 100
    packed = smollm2_path.parent / "smollm2-inside-another-file.tmp"
    with smollm2_path.open("rb") as file:
        assert np.array_equal(pensee.Model(file).logits(ids), expected)
        assert np.array_equal(pensee.Model.from_fd(file.fileno()).logits(ids), expected)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
            assert np.array_equal(pensee.Model(mapping).logits(ids), expected)
            assert np.array_equal(pensee.Model.from_bytes(mapping).logits(ids), expected)
    data = smollm2_path.read_bytes()
    try:
        packed.write_bytes(before + data + after)
        with packed.open("rb") as file:
            model = pensee.Model.from_fd(file, offset=len(before), length=len(data))
        assert np.array_equal(model.logits(ids), expected)  # the descriptor was duplicated: ours is closed
    finally:
        packed.unlink(missing_ok=True)


def test_info_tells_shapes_and_costs(thinker: pensee.Model) -> None:
    info = thinker.info
    assert (info.hidden_size, info.num_hidden_layers, info.vocab_size) == (64, 2, tiny.VOCAB_SIZE)
    assert info.context_max == 2048
    assert info.n_routed_experts == 0
    assert info.eos_token_id == tiny.END
    assert info.bos_token_id is None
    assert info.thinks and info.has_chat_template
    # 4 query heads and 2 for keys and values, of 16 each; embedding and lm_head apart.
    layer = 64 * 64 * 2 + 2 * (32 * 64) + 3 * (64 * 192) + 2 * 64 + (64 + 32 + 32)
    assert info.parameters_total == 2 * layer + 2 * tiny.VOCAB_SIZE * 64 + 64
    assert info.parameters_active == info.parameters_total - tiny.VOCAB_SIZE * 64
    assert info.cache_bytes_per_token == 2 * 2 * 32 * 4
    assert info.weight_bytes > 0 and info.memory_bytes >= info.weight_bytes
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.vocab_size = 1  # type: ignore[misc]


def test_skip_weights_reads_facts_and_text_but_cannot_compute(thinker_path: pathlib.Path) -> None:
    with pensee.Model(thinker_path, skip_weights=True) as model:
        assert model.info.vocab_size == tiny.VOCAB_SIZE
        assert model.tokenize("ab") == [97, 98]
        assert model.render("x").endswith("<think>\n")
        with pytest.raises(pensee.Error) as caught:
            model.logits([1, 2])
        assert caught.value.status == pensee.Status.UNSUPPORTED
        with pytest.raises(pensee.Error) as caught:
            model.ask("x", max_tokens=1)
        assert caught.value.status == pensee.Status.UNSUPPORTED


def test_progress_runs_from_0_to_1_on_this_thread(thinker_path: pathlib.Path) -> None:
    seen: list[tuple[float, int]] = []
    pensee.Model(thinker_path, progress=lambda fraction: seen.append((fraction, threading.get_ident())))
    fractions = [fraction for fraction, _ in seen]
    assert fractions[0] == 0 and fractions[-1] == 1
    assert fractions == sorted(fractions)
    assert {thread for _, thread in seen} == {threading.get_ident()}


def test_progress_cancels_by_false_and_passes_its_exception_on(thinker_path: pathlib.Path) -> None:
    with pytest.raises(pensee.Error) as caught:
        pensee.Model(thinker_path, progress=lambda fraction: False)
    assert caught.value.status == pensee.Status.CANCELLED

    def fails(fraction: float) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        pensee.Model(thinker_path, progress=fails)


def test_a_log_callback_may_be_given_and_may_fail(thinker_path: pathlib.Path) -> None:
    lines: list[tuple[int, str]] = []
    with pensee.Model(thinker_path, log=lambda level, text: lines.append((level, text))) as model:
        model.ask("x", max_tokens=2)
    assert all(level in (0, 1, 2) and text for level, text in lines)


def test_tokens_and_text_go_round(thinker: pensee.Model) -> None:
    text = "a \u00e9 \u4e2d \U0001f600\n<|User|>"
    ids = thinker.tokenize(text)
    assert ids == [*text[:-8].encode(), tiny.USER]
    assert thinker.detokenize(ids) == text
    assert thinker.detokenize(ids, skip_special=True) == text[:-8]
    assert thinker.detokenize_bytes(ids[3:4]) == b"\xa9"  # half of e-acute
    assert thinker.detokenize(ids[3:4]) == "\ufffd"
    assert thinker.tokenize("<|User|>", parse_special=False) == list(b"<|User|>")
    assert thinker.tokenize("") == []
    assert thinker.detokenize([]) == ""
    assert thinker.tokenize("a\0b") == [97, 0, 98]
    long = "word " * 20000
    assert thinker.detokenize(thinker.tokenize(long)) == long


def test_logits_have_a_row_a_token_and_do_not_look_ahead(thinker: pensee.Model) -> None:
    ids = list(b"The quick brown fox")
    logits = thinker.logits(ids)
    assert logits.shape == (len(ids), tiny.VOCAB_SIZE)
    assert logits.dtype == np.float32
    assert np.array_equal(thinker.logits(ids[:7]), logits[:7])
    for same in (tuple(ids), array.array("i", ids), np.array(ids), np.array(ids, np.uint8)):
        assert np.array_equal(thinker.logits(same), logits)


def test_logprobs_are_the_log_softmax_of_the_logits(thinker: pensee.Model) -> None:
    ids = list(b"The quick brown fox")
    logits = thinker.logits(ids).astype(np.float64)
    peak = logits.max(axis=1, keepdims=True)
    table = logits - peak - np.log(np.exp(logits - peak).sum(axis=1, keepdims=True))
    expected = [0.0] + [table[i - 1, token] for i, token in enumerate(ids) if i]
    got = thinker.logprobs(ids)
    assert got.dtype == np.float32
    assert np.allclose(got, expected, atol=2e-5)


def test_render_puts_the_prompt_through_the_template(thinker: pensee.Model) -> None:
    assert thinker.render("Hi", system="Be brief.") == "Be brief.<|User|>Hi<|Assistant|><think>\n"
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "\u00e9?"},
    ]
    assert thinker.render(messages) == (
        "<|User|>Hi<|Assistant|>Hello<|end|><|User|>\u00e9?<|Assistant|><think>\n"
    )


def test_a_closed_model_says_so_and_its_session_lives_on(thinker_path: pathlib.Path) -> None:
    model = pensee.Model(thinker_path)
    session = model.session()
    stream = model.generate("x", max_tokens=5)
    model.close()
    model.close()
    assert model.closed and model.info.vocab_size == tiny.VOCAB_SIZE
    with pytest.raises(pensee.BadArgument, match="closed"):
        model.tokenize("x")
    with pytest.raises(pensee.BadArgument, match="closed"):
        model.session()
    assert len(session.ask("x", max_tokens=3).token_ids) == 3
    session.close()
    with pytest.raises(pensee.BadArgument, match="closed"):
        session.generate("x")
    assert len(stream.reply().token_ids) == 5


def test_python_threads_run_while_the_library_computes(slow_path: pathlib.Path) -> None:
    ticks: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    with pensee.Model(slow_path) as model:
        ids = [i % 256 for i in range(1024)]
        thread = threading.Thread(target=tick)
        thread.start()
        try:
            begin = time.perf_counter()
            model.logits(ids)
            end = time.perf_counter()
        finally:
            stop.set()
            thread.join()
    during = sum(begin < moment < end for moment in ticks)
    assert during > 5, f"{during} ticks in {end - begin:.3f} s"


def test_two_models_and_many_sessions_in_threads_give_the_tokens_they_give_alone(
    thinker_path: pathlib.Path, thinker: pensee.Model
) -> None:
    with pensee.Model(thinker_path, threads=1) as other:
        models = [thinker, other]
        jobs = [(models[i % 2], f"question {i % 5}", 1 + i % 5) for i in range(20)]

        def run(job: tuple[pensee.Model, str, int]) -> tuple[int, ...]:
            model, question, seed = job
            return model.session().ask(question, max_tokens=40, temperature=0.8, seed=seed).token_ids

        alone = [run(job) for job in jobs]
        together: list[tuple[int, ...]] = [()] * len(jobs)

        def work(index: int) -> None:
            together[index] = run(jobs[index])

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert together == alone


def test_context_max_and_memory_budget_hold(thinker_path: pathlib.Path) -> None:
    with pensee.Model(thinker_path, context_max=64) as model:
        assert model.info.context_max == 64
        with pytest.raises(pensee.Error) as caught:
            model.ask(list(range(65)), max_tokens=1)
        assert caught.value.status == pensee.Status.CONTEXT_FULL
        reply = model.ask([1, 2, 3, 4], temperature=0)
        assert reply.finish_reason == "length"
        assert 59 <= len(reply.token_ids) <= 61
    with pytest.raises(pensee.OutOfMemory):
        pensee.Model(thinker_path, memory_budget=10_000)


def test_cache_types_and_isas_stay_close(thinker_path: pathlib.Path, thinker: pensee.Model) -> None:
    ids = [i % 256 for i in range(50)]
    expected = thinker.logits(ids)
    scale = math.sqrt(float((expected**2).mean()))
    with pensee.Model(thinker_path, isa="scalar") as model:
        assert model.info.isa == "scalar"
        assert np.abs(model.logits(ids) - expected).max() < 1e-3 * scale
    half: list[tuple[pensee.CacheType, float]] = [("f16", 0.01), ("bf16", 0.1)]
    for cache_type, tolerance in half:
        with pensee.Model(thinker_path, cache_type=cache_type) as model:
            assert model.info.cache_bytes_per_token == thinker.info.cache_bytes_per_token // 2
            assert np.abs(model.logits(ids) - expected).max() < tolerance * scale


def test_repr_names_the_model(thinker: pensee.Model) -> None:
    assert "qwen2" in repr(thinker)
    assert pensee.__version__ == pensee.version()


def test_what_cannot_be_a_model_is_a_type_error() -> None:
    for source in (3.5, object(), ["x"]):
        with pytest.raises(TypeError):
            pensee.Model(source)  # type: ignore[arg-type]
    with pytest.raises((pensee.Error, OSError)):
        pensee.Model(io.BytesIO(b"GGUF"))
