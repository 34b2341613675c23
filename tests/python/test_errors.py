"""Errors: their classes, their words, and that nothing but an error comes of bad input."""

from __future__ import annotations

import pathlib
import pickle
import re
from typing import Any

import installed
import pytest
from conftest import ROOT

import pensee
from pensee import Status, _pensee


def test_status_equals_the_header() -> None:
    header = (ROOT / "include" / "pensee" / "pensee.h").read_text(encoding="utf-8")
    rows = re.search(r"typedef int32_t pensee_status;\s*enum \{(.*?)\};", header, re.S)
    assert rows is not None
    table = {name: int(value) for name, value in re.findall(r"PENSEE_(\w+) = (\d+)", rows.group(1))}
    assert table == {status.name: status.value for status in Status}
    for status in Status:
        assert _pensee.status_name(status) == f"PENSEE_{status.name}"
        assert status.text
    assert _pensee.status_name(12345) == "PENSEE_UNKNOWN"


def test_a_missing_file_is_a_file_not_found_error_that_names_it(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "none.gguf"
    with pytest.raises(FileNotFoundError, match="none.gguf") as caught:
        pensee.Model(path)
    assert isinstance(caught.value, pensee.FileNotFound)
    assert caught.value.status == Status.FILE_NOT_FOUND
    assert caught.value.errno == 2


@pytest.mark.parametrize("data", [b"", b"GG", b"GGUF", b"GGUF" + b"\xff" * 100, b"\0" * 5000])
def test_a_corrupt_file_is_an_error(tmp_path: pathlib.Path, data: bytes) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(data)
    with pytest.raises(pensee.Error, match="bad.gguf"):
        pensee.Model(path)
    with pytest.raises(pensee.Error):
        pensee.Model(data)


def test_every_cut_of_a_checkpoint_is_an_error(tmp_path: pathlib.Path, thinker_path: pathlib.Path) -> None:
    data = (thinker_path / "model.safetensors").read_bytes()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((thinker_path / name).read_bytes())
    for size in (0, 7, 8, 100, 2000, len(data) // 2, len(data) - 1):
        (tmp_path / "model.safetensors").write_bytes(data[:size])
        with pytest.raises(pensee.Error) as caught:
            pensee.Model(tmp_path)
        assert caught.value.status == Status.FILE_CORRUPT, (size, str(caught.value))


def test_none_is_the_default_model_of_the_package() -> None:
    if not installed.with_default_model():
        pytest.skip("a build tree: no default model lies beside the module")
    assert pensee.Model(skip_weights=True).info.parameters_total > 0


def test_a_descriptor_that_is_none_is_an_error() -> None:
    with pytest.raises(pensee.Error):
        pensee.Model.from_fd(987654)
    with pytest.raises(pensee.BadArgument, match="fd"):
        pensee.Model.from_fd(-1)


@pytest.mark.parametrize(
    "options",
    [
        {"threads": -1}, {"threads": 5000}, {"backend": "cuda"}, {"activations": "int3"}, {"cache_type": "f8"},
        {"context_max": -1}, {"memory_budget": -5}, {"memory_budget": 2**64}, {"isa": "sse9"},
        {"value_cache_type": "f8"}, {"prefix_cache_bytes": -2}, {"max_concurrent": -1}, {"max_waiting": -1},
    ],
)  # fmt: skip
def test_bad_model_options_are_named(thinker_path: pathlib.Path, options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(pensee.Error, match="instruction set 'sse9'" if name == "isa" else name) as caught:
        pensee.Model(thinker_path, **options)
    assert caught.value.status in (Status.BAD_ARGUMENT, Status.UNSUPPORTED)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -0.5}, {"temperature": float("nan")}, {"temperature": float("inf")}, {"top_p": 0.0},
        {"top_p": 1.5}, {"top_p": float("nan")}, {"min_p": -0.1}, {"min_p": 1.5}, {"top_k": -2}, {"max_tokens": -1},
        {"think_budget": -2}, {"seed": -1}, {"seed": 2**64}, {"logprobs": 21}, {"logprobs": -1},
        {"effort": "very"}, {"stop": "a\0b"}, {"stop": "\ud800"}, {"n": 0}, {"n": 1025}, {"priority": 101},
        {"answer_budget": -1}, {"min_thought": -1}, {"thought_prefix": "a\0b"}, {"answer_prefix": "\ud800"},
        {"budget_text": "a\0b"}, {"loop_ngram": -1}, {"loop_repeats": -1}, {"loop_window": -1},
        {"tool_choice": "sometimes"}, {"speculation": "wild"}, {"draft_max": 65}, {"typical_p": 1.5},
        {"typical_p": float("nan")}, {"top_n_sigma": -1.0}, {"xtc_probability": 1.5}, {"xtc_threshold": 0.7},
        {"repetition_penalty": -1.0}, {"frequency_penalty": 3.0}, {"presence_penalty": float("inf")},
        {"penalty_last_n": -2}, {"dry_multiplier": -1.0}, {"dry_base": -1.0}, {"dry_allowed_length": -1},
        {"dry_last_n": -2}, {"mirostat": 3}, {"mirostat_tau": -1.0}, {"mirostat_eta": float("nan")},
        {"logit_bias": {10**6: 1.0}}, {"logit_bias": {5: float("nan")}}, {"sampler_order": ["top_k", "luck"]},
    ],
)  # fmt: skip
def test_bad_generation_options_are_named(thinker: pensee.Model, options: dict[str, Any]) -> None:
    with pytest.raises(pensee.BadArgument, match=next(iter(options))):
        thinker.generate("x", **options)


def test_a_bad_setting_for_the_answer_is_named(thinker: pensee.Model) -> None:
    with pytest.raises(pensee.BadArgument, match="top_p"):
        thinker.generate("x", answer_sampling=pensee.Sampling(top_p=1.5))
    with pytest.raises(TypeError, match="answer_sampling"):
        thinker.generate("x", answer_sampling=[1])  # type: ignore[arg-type]


def test_an_unknown_keyword_is_a_type_error(thinker: pensee.Model, thinker_path: pathlib.Path) -> None:
    wrong: dict[str, Any] = {"max_token": 3}
    for call in (thinker.generate, thinker.ask, thinker.render, thinker.vote):
        with pytest.raises(TypeError, match="max_token"):
            call("x", **wrong)
    with pytest.raises(TypeError, match="max_token"):
        pensee.Model(thinker_path, **wrong)
    with pytest.raises(TypeError, match="answer_sampling: unknown key 'temprature'"):
        thinker.generate("x", answer_sampling={"temprature": 1})  # type: ignore[arg-type]


def test_bad_prompts_are_errors(thinker: pensee.Model) -> None:
    bad: list[Any] = [
        [], [-1], [10**6], [2**40], [{"role": "user"}, 3], "a\0b", "\ud800",
        [{"role": "user", "content": float("nan")}], [{"role": "user", "content": object()}],
    ]  # fmt: skip
    for prompt in bad:
        with pytest.raises((pensee.BadArgument, TypeError)):
            thinker.ask(prompt, max_tokens=1)
    for prompt in (3, None, b"bytes", {"role": "user"}, [1.5], ["x"]):
        with pytest.raises(TypeError):
            thinker.ask(prompt, max_tokens=1)  # type: ignore[arg-type]
    with pytest.raises(pensee.BadArgument, match="system"):
        thinker.ask([{"role": "user", "content": "x"}], system="y")
    with pytest.raises(pensee.BadArgument, match="system"):
        thinker.ask([1, 2], system="y")


def test_bad_ids_are_errors_everywhere(thinker: pensee.Model) -> None:
    for ids in ([-1], [10**6], [2**31]):
        for call in (thinker.logits, thinker.logprobs, thinker.detokenize):
            with pytest.raises(pensee.BadArgument):
                call(ids)
    wrong: list[Any] = ["ab", b"ab", [1.5], [None], ["x"], 5]
    for no_ids in wrong:
        with pytest.raises(TypeError):
            thinker.detokenize(no_ids)
    with pytest.raises(pensee.BadArgument, match="surrogate"):
        thinker.tokenize("\ud800")
    with pytest.raises(TypeError):
        thinker.tokenize(b"x")  # type: ignore[arg-type]


def test_a_prompt_longer_than_the_context_is_context_full(thinker: pensee.Model) -> None:
    with pytest.raises(pensee.Error) as caught:
        thinker.ask([1] * 3000)
    assert caught.value.status == Status.CONTEXT_FULL


def test_errors_can_be_pickled(tmp_path: pathlib.Path) -> None:
    for error in (pensee.Error("a", Status.BUSY), pensee.BadArgument("b"), pensee.FileNotFound("c")):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), copy.status) == (type(error), str(error), error.status)
    assert issubclass(pensee.BadArgument, ValueError)
    assert issubclass(pensee.OutOfMemory, MemoryError)
    assert isinstance(pensee.Error("x"), Exception)
