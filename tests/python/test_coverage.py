"""Nothing of pensee.h is forgotten: every function, struct field and enumerator is in the binding, and every option in
the command line, or is listed here with the reason why not. pensee.hpp is held to the functions too."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest
from conftest import ROOT

import pensee
from pensee import _options, _pensee

HEADER = (ROOT / "include" / "pensee" / "pensee.h").read_text(encoding="utf-8")
CODE = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.S)

SKIPPED_FUNCTIONS = {
    "pensee_generate": "push; the binding pulls, so that no thread of the library enters Python and Ctrl-C is heard",
    "pensee_ask": "Model.ask makes the session itself, to cancel it on Ctrl-C",
}
# Fields of pensee_options -> keywords of generate().
RENAMED_OPTIONS = {"top_logprobs": "logprobs", "num_stop": "stop", "sampling": None}  # its fields are keywords
RENAMED_SAMPLING = {
    "order": "sampler_order", "num_order": "sampler_order", "num_dry_breakers": "dry_breakers",
    "num_logit_bias": "logit_bias",
}  # fmt: skip
RENAMED_MODEL_OPTIONS = {"progress_user": "progress", "log_user": "log", "low_memory_user": "low_memory"}
# Fields of pensee_event -> fields of pensee.Event.
RENAMED_EVENT = {
    "text_length": "text", "num_alternatives": "alternatives", "tool_call_id": "tool_call", "tool_name": "tool_call",
    "tool_arguments_json": "tool_call", "num_experts": "expert_ids",
}  # fmt: skip
# Fields of pensee_score_options -> arguments of Model.score().
SCORE_ARGUMENTS = {
    "expert_ids": "expert_ids", "expert_ids_out": "trace", "expert_weights_out": "trace", "progress": "progress",
    "progress_user": "progress",
}  # fmt: skip
CLI_OPTIONS = {
    "cache_type": "cache", "context_max": "context", "exact": "no-exact", "log": "verbose", "log_user": "verbose",
    "num_stop": "stop", "value_cache_type": "value-cache", "prefix_cache_bytes": "prefix-cache", "mtp": "no-mtp",
    "trace_experts": "experts", "num_logit_bias": "logit-bias", "dry_breakers": "dry-breaker",
    "num_dry_breakers": "dry-breaker", "order": "sampler-order", "num_order": "sampler-order",
}  # fmt: skip
CLI_VOTE_OPTIONS = {"n": "vote", "weighting": "vote-weighting", "all": "vote-all", "at_once": "vote-at-once"}
CLI_SKIPPED = {
    "skip_weights": "`pensee inspect` sets it",
    "progress": "the command shows progress by itself",
    "progress_user": "the command shows progress by itself",
    "keep_file": "no command replaces weights",
    "low_memory": "the command says what failed; it has nothing to free",
    "low_memory_user": "the command says what failed; it has nothing to free",
    "sampling": "its fields are flags",
}


def functions() -> list[str]:
    return sorted(set(re.findall(r"PENSEE_API[^;]*?\b(pensee_\w+)\(", CODE)))


def fields(struct: str) -> list[str]:
    body = re.search(rf"typedef struct {struct} \{{(.*?)\}} {struct};", CODE, re.S)
    assert body is not None, struct
    out = []
    for declaration in body.group(1).split(";"):
        pointer = re.search(r"\(\*(\w+)\)", declaration)
        names = [pointer.group(1)] if pointer else re.findall(r"(\w+)(?:\[\d+\])?\s*$", declaration.strip())
        out += [name for name in names if name not in ("struct_size", "reserved")]
    return out


def names_of(dataclass: type) -> set[str]:
    return {field.name for field in dataclasses.fields(dataclass)}


def test_the_header_is_read_as_it_is() -> None:
    assert len(functions()) > 30 and "pensee_stream_next" in functions()
    assert "think_budget" in fields("pensee_options") and "progress" in fields("pensee_model_options")


def test_every_function_is_called_or_skipped_with_a_reason() -> None:
    source = "".join(path.read_text() for path in (ROOT / "bindings" / "python" / "src").glob("*.cpp"))
    source += (ROOT / "bindings" / "python" / "src" / "support.h").read_text()
    called = {name for name in functions() if re.search(rf"\b{name}\b", source)}
    assert set(functions()) - called == set(SKIPPED_FUNCTIONS)


def test_every_option_is_a_keyword_of_generate() -> None:
    keywords = set(inspect.signature(pensee.Model.generate).parameters)
    for name in fields("pensee_options"):
        keyword = RENAMED_OPTIONS.get(name, name)
        assert keyword is None or keyword in keywords, name
        if name != "num_stop":
            assert hasattr(_pensee.Options(), name), name
    for name in fields("pensee_sampling"):
        keyword = RENAMED_SAMPLING.get(name, name)
        assert keyword in keywords and keyword in pensee.Sampling.__annotations__, name
        if not name.startswith("num_"):
            assert hasattr(_pensee.Sampling(), name), name
    accepted = set(pensee.GenerateOptions.__annotations__)
    assert accepted == keywords - {"self", "prompt"}
    assert keywords == set(inspect.signature(pensee.Session.generate).parameters)
    assert accepted - set(pensee.VoteOptions.__annotations__) == {"n"}


def test_every_model_option_is_a_keyword_of_model() -> None:
    keywords = set(inspect.signature(pensee.Model.__init__).parameters)
    for name in fields("pensee_model_options"):
        assert RENAMED_MODEL_OPTIONS.get(name, name) in keywords, name
        if name not in RENAMED_MODEL_OPTIONS:
            assert hasattr(_pensee.ModelOptions(), name), name


def test_help_says_what_each_keyword_means() -> None:
    for function, options in (
        (pensee.Model.generate, pensee.GenerateOptions),
        (pensee.Model.__init__, pensee.ModelOptions),
    ):
        assert function.__doc__ is not None
        for name in options.__annotations__:
            assert re.search(rf"^ +{name}  +\S", function.__doc__, re.M), name


def test_every_vote_and_score_option_is_an_argument() -> None:
    for function in (pensee.Model.vote, pensee.Session.vote, pensee.Model.vote_async):
        assert set(fields("pensee_vote_options")) <= set(inspect.signature(function).parameters)
    arguments = inspect.signature(pensee.Model.score).parameters
    for name in fields("pensee_score_options"):
        assert SCORE_ARGUMENTS[name] in arguments, name


def test_every_prompt_field_can_be_set() -> None:
    for name in fields("pensee_prompt"):
        assert name == "num_ids" or hasattr(_pensee.Prompt(), name), name


def test_dataclasses_have_the_fields_of_their_structs() -> None:
    assert set(fields("pensee_model_info")) == names_of(pensee.ModelInfo)
    assert set(fields("pensee_usage")) == names_of(pensee.Usage)
    assert set(fields("pensee_memory")) == names_of(pensee.Memory)
    assert set(fields("pensee_alternative")) == names_of(pensee.Alternative)
    assert {RENAMED_EVENT.get(name, name) for name in fields("pensee_event")} == names_of(pensee.Event)
    assert set(fields("pensee_tool_call")) == names_of(pensee.ToolCall)
    assert set(fields("pensee_vote_answer")) == names_of(pensee.VoteAnswer)
    assert set(pensee.Routing._fields) == {name for name in fields("pensee_routing") if name.startswith("expert_")}


@pytest.mark.parametrize(
    ("prefix", "table", "absent"),
    [
        ("BACKEND", _options.BACKENDS, {}),
        ("ACTIVATIONS", _options.ACTIVATIONS, {}),
        ("CACHE", _options.CACHE_TYPES, {}),
        ("EFFORT", _options.EFFORTS, {}),
        ("SAMPLER", _options.SAMPLERS, {}),
        ("SPECULATION", _options.SPECULATIONS, {}),
        ("LOOP_GUARD", _options.LOOP_GUARDS, {}),
        ("TOOLS", _options.TOOL_CHOICES, {}),
        ("VOTE", _options.WEIGHTINGS, {}),
        ("THREAD_PRIORITY", _options.THREAD_PRIORITIES, {}),
        ("PACKED", _options.PACKED_FILES, {}),
        ("TRIM", _options.TRIM_LEVELS, {}),
        ("DTYPE", _options.DTYPES, {}),
        ("EVENT", {name: value for value, name in _options.KINDS.items()}, {}),
        ("FINISH", {name: value for value, name in _options.FINISH_REASONS.items()}, {"none": 0}),
    ],
)
def test_names_stand_for_the_headers_numbers(prefix: str, table: dict[str, int], absent: dict[str, int]) -> None:
    rows = re.findall(rf"\bPENSEE_{prefix}_(\w+) = (\d+)", CODE)
    assert {name.lower(): int(value) for name, value in rows} == {**table, **absent}


def test_flags_and_versions_are_the_headers() -> None:
    for name in ("ADD_SPECIAL", "PLAIN_TEXT", "SKIP_SPECIAL", "IN_THOUGHT"):
        assert f"PENSEE_{name} = {getattr(_options, name)}" in CODE
    assert f"#define PENSEE_VERSION {_pensee.HEADER_VERSION}" in CODE
    number = _pensee.version()
    assert pensee.version() == f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def test_the_command_line_has_every_option() -> None:
    sources = list((ROOT / "examples" / "cli").glob("*.cpp"))
    if not sources:
        pytest.skip("examples/cli is not here")
    flags = set(re.findall(r'\{"([a-z][a-z-]*)",', "".join(path.read_text() for path in sources)))
    for name in [*fields("pensee_model_options"), *fields("pensee_options"), *fields("pensee_sampling")]:
        if name not in CLI_SKIPPED:
            assert CLI_OPTIONS.get(name, name.replace("_", "-")) in flags, name
    for name in fields("pensee_vote_options"):
        assert CLI_VOTE_OPTIONS[name] in flags, name


def test_the_cpp_face_calls_every_function() -> None:
    source = (ROOT / "include" / "pensee" / "pensee.hpp").read_text(encoding="utf-8")
    missing = {name for name in functions() if not re.search(rf"\b{name}\b", source)}
    assert missing == {
        "pensee_generate",  # a range-for over a stream is the callback
        "pensee_ask",  # Model::ask makes the session
        "pensee_model_open_fd",  # C does it as well
        "pensee_status_text",
        "pensee_version",  # as text
    }


def test_everything_public_is_documented() -> None:
    for name in pensee.__all__:
        thing = getattr(pensee, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, name
        if inspect.isclass(thing) and thing.__module__.startswith("pensee"):
            for member, value in vars(thing).items():
                if inspect.isfunction(value) and not member.startswith("_"):
                    assert value.__doc__, f"{name}.{member}"
