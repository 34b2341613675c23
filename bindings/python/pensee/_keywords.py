"""The keywords of Model() and of generate(), ask() and vote(): each stands here once, with its type, its converter to
the native field, and its sentence in help(). What the type checker sees, what is checked at run time and what is told
are one row.

None is as good as leaving a keyword away. Annotations are evaluated here (no `from __future__ import annotations`).
"""

import inspect
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypedDict, TypeVar

from . import _pensee
from ._options import (
    ACTIVATIONS,
    BACKENDS,
    CACHE_TYPES,
    EFFORTS,
    INT32_MAX,
    INT64_MAX,
    PACKED_FILES,
    SPECULATIONS,
    THREAD_PRIORITIES,
    TOOL_CHOICES,
    UINT64_MAX,
    callback,
    flag,
    integer,
    json_text,
    logit_bias,
    one_of,
    path,
    real,
    sampler_order,
    texts,
    top_logprobs,
    utf8,
    whole,
)
from ._types import (
    Activations,
    Backend,
    CacheType,
    Effort,
    PackedFile,
    Sampler,
    Speculation,
    ThreadPriority,
    ToolChoice,
)

if TYPE_CHECKING:
    from ._model import Model


class Row(NamedTuple):
    """What a keyword is beside its name and type."""

    convert: Callable[[Any, str], Any]
    doc: str
    field: str | None = None
    """Its name in the native struct, where that is another."""


_number = whole(0, INT32_MAX)
_count = whole(0, INT64_MAX)


class ModelOptions(TypedDict, total=False):
    """The keywords of Model(); help(Model) says what each means."""

    threads: Annotated[int | None, Row(whole(0, 1024), "1..1024; 0: the CPUs that this process may use")]
    backend: Annotated[
        Backend | None,
        Row(one_of(BACKENDS), '"auto", "native": identical tokens whatever the threads; "onednn", "blas": only close'),
    ]
    exact: Annotated[
        bool | None,
        Row(flag, 'False: allow what is faster and rounds in its own way: BF16 weights meet BF16 '
            'activations where the CPU multiplies those; backend "auto" goes by a tuning_file, its activations are '
            '"int8"'),
    ]  # fmt: skip
    tuning_file: Annotated[
        str | os.PathLike[str] | None, Row(path, 'of Model.tune(), for backend "auto" with exact=False')
    ]
    memory_budget: Annotated[
        int | None,
        Row(whole(0, UINT64_MAX), "bytes for weights, caches and scratch together; 0: no limit. Beyond: OutOfMemory"),
    ]
    activations: Annotated[
        Activations | None,
        Row(one_of(ACTIVATIONS), 'how the native backend meets quantised weights: "int16" (as good as float32) or '
            '"int8"'),
    ]  # fmt: skip
    cache_type: Annotated[
        CacheType | None,
        Row(one_of(CACHE_TYPES), 'how keys, values and latents are kept: "f32", "f16", "bf16" or "int8"'),
    ]
    value_cache_type: Annotated[
        CacheType | None, Row(one_of(CACHE_TYPES), 'the same for values apart from keys; "int4" too')
    ]
    context_max: Annotated[int | None, Row(_count, "positions a session may hold; 0: the model's own limit")]
    prefix_cache_bytes: Annotated[
        int | None,
        Row(whole(-1, INT64_MAX), "kept of what sessions computed, for later prompts that begin alike; 0: 256 MiB, "
            "-1: none"),
    ]  # fmt: skip
    max_concurrent: Annotated[int | None, Row(_number, "generations that share the passes; 0: 64. Others wait")]
    max_waiting: Annotated[int | None, Row(_number, "generations that may wait; 0: 1024. One more: Status.BUSY")]
    mtp: Annotated[
        bool | None,
        Row(lambda value, name: 0 if value else -1, "False: leave out the layer of multi-token prediction, which "
            "speculation uses"),
    ]  # fmt: skip
    keep_file: Annotated[
        bool | None, Row(flag, "keep the file open, so that set_weights() may be given a part of a packed group")
    ]
    packed_file: Annotated[
        PackedFile | None,
        Row(one_of(PACKED_FILES), 'how a file of save_packed() is used: "map": in place, shared by all processes (one '
            'that is cut short meanwhile ends the process); "read" into memory, checksums held; "verify": mapped after '
            "all checksums were held"),
    ]  # fmt: skip
    thread_priority: Annotated[
        ThreadPriority | None,
        Row(one_of(THREAD_PRIORITIES), '"normal", "low" or "background": of the threads that pensee starts, never of '
            "yours"),
    ]  # fmt: skip
    isa: Annotated[
        str | None,
        Row(utf8, '"scalar", "avx2", "avx2_vnni", "avx512", "avx512_bf16", "neon", "neon_dotprod", "neon_i8mm"; '
            "None: this CPU's best"),
    ]
    skip_weights: Annotated[
        bool | None,
        Row(flag, "read headers, tokenizer and template only: enough for info, tokenize and render, in milliseconds"),
    ]
    progress: Annotated[
        Callable[[float], bool | None] | None,
        Row(callback, "called on this thread with 0..1 while loading; False cancels (Error with Status.CANCELLED)"),
    ]
    log: Annotated[
        Callable[[int, str], object] | None,
        Row(callback, "called with (level, text), level 0 debug, 1 info, 2 warning, on whatever thread has something "
            "to say, as long as the model lives; must not call pensee"),
    ]  # fmt: skip
    low_memory: Annotated[
        Callable[[int], bool | None] | None,
        Row(callback, "called with the bytes that memory_budget or the system refuses, on whatever thread needs them, "
            "before OutOfMemory; may trim(), cancel() and close sessions. True: try once more"),
    ]  # fmt: skip


class Sampling(TypedDict, total=False):
    """How tokens are drawn: keywords of generate(), and what answer_sampling takes. Sampling(top_k=1) is a dict."""

    temperature: Annotated[float | None, Row(real, "0: greedy; None: as the model recommends, else 0.6")]
    top_k: Annotated[int | None, Row(whole(-1, INT32_MAX), "0: off; None: as the model recommends, else off")]
    top_p: Annotated[float | None, Row(real, "(0, 1], 1: off; None: as the model recommends, else 0.95")]
    min_p: Annotated[float | None, Row(real, "[0, 1], 0: off")]
    typical_p: Annotated[float | None, Row(real, "(0, 1]: tokens of typical surprise; 0 or 1: off")]
    top_n_sigma: Annotated[
        float | None, Row(real, "keeps logits within so many standard deviations of the best; 0: off")
    ]
    xtc_probability: Annotated[
        float | None, Row(real, "[0, 1]: how often all but the last of those above xtc_threshold go; 0: off")
    ]
    xtc_threshold: Annotated[float | None, Row(real, "(0, 0.5]; 0: 0.1")]
    repetition_penalty: Annotated[float | None, Row(real, "logits of tokens seen are divided by it; 0 or 1: off")]
    frequency_penalty: Annotated[float | None, Row(real, "-2..2, for each time a token was seen")]
    presence_penalty: Annotated[float | None, Row(real, "-2..2, once for a token seen")]
    penalty_last_n: Annotated[
        int | None, Row(whole(-1, INT32_MAX), "tokens that these three look back; -1: the whole context; 0: 64")
    ]
    dry_multiplier: Annotated[
        float | None,
        Row(real, "0: off; else a repeated sequence costs multiplier * dry_base ** (length - dry_allowed_length)"),
    ]
    dry_base: Annotated[float | None, Row(real, "0: 1.75")]
    dry_allowed_length: Annotated[int | None, Row(_number, "tokens that may be repeated freely; 0: 2")]
    dry_last_n: Annotated[
        int | None, Row(whole(-1, INT32_MAX), "tokens to look back; -1: the whole context; 0: 1024")
    ]
    dry_breakers: Annotated[
        Sequence[str] | None,
        Row(texts, "texts that no repeated sequence crosses; None: newline, colon, quotation mark and asterisk"),
    ]
    mirostat: Annotated[int | None, Row(whole(0, 2), "0: off; 2: mirostat 2.0 instead of the cutting samplers")]
    mirostat_tau: Annotated[float | None, Row(real, "surprise aimed at, in bits; 0: 5")]
    mirostat_eta: Annotated[float | None, Row(real, "learning rate; 0: 0.1")]
    logit_bias: Annotated[
        Mapping[int, float] | Mapping[str, float] | None,
        Row(logit_bias, "{token id: added to its logit}; -inf forbids the token"),
    ]
    sampler_order: Annotated[
        Sequence[Sampler] | None,
        Row(sampler_order, "samplers by name, each at most once; those left out do not run. None: penalties, dry, "
            "temperature, top_n_sigma, top_k, top_p, min_p, typical, xtc", "order"),
    ]  # fmt: skip


def _rows(options: type) -> dict[str, Row]:
    """Name -> row of a TypedDict's keys."""
    return {name: annotation.__metadata__[0] for name, annotation in options.__annotations__.items()}


SAMPLING_ROWS = _rows(Sampling)


def native_sampling(value: Mapping[str, Any], name: str) -> _pensee.Sampling:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: expected a Sampling or a dict, not {type(value).__name__}")
    native = _pensee.Sampling()
    for key, item in value.items():
        if key not in SAMPLING_ROWS:
            raise TypeError(f"{name}: unknown key {key!r}")
        if item is not None:
            row = SAMPLING_ROWS[key]
            setattr(native, row.field or key, row.convert(item, f"{name}: {key}"))
    return native


def native_model(value: "Model", name: str) -> _pensee.Model:
    native = getattr(value, "_native", None)
    if not isinstance(native, _pensee.Model):
        raise TypeError(f"{name}: expected a Model, not {type(value).__name__}")
    return native


class PromptOptions(TypedDict, total=False):
    """The keywords that are parts of the prompt."""

    system: Annotated[str | None, Row(utf8, "system message before a str prompt")]
    tools: Annotated[Sequence[Mapping[str, Any]] | None, Row(json_text, "OpenAI-shaped tools, given to the template")]


class ThoughtOptions(TypedDict, total=False):
    """The keywords about lengths, thought and answer."""

    max_tokens: Annotated[
        int | None, Row(_count, "thought and answer together; None or 0: until the context is full")
    ]
    think_budget: Annotated[
        int | None,
        Row(whole(-1, INT64_MAX), "tokens of thought; at the limit the thought is closed and the answer follows. 0: "
            "closed at once; None or -1: no limit"),
    ]  # fmt: skip
    answer_budget: Annotated[int | None, Row(_count, "tokens of answer; None or 0: no limit")]
    min_thought: Annotated[
        int | None, Row(_count, "tokens of thought before which the model may not close it; think_budget wins")
    ]
    effort: Annotated[
        Effort | None,
        Row(one_of(EFFORTS), '"none" .. "max": told to the templates that know it, else a think budget'),
    ]
    open_thought: Annotated[
        bool | None, Row(flag, "the reply begins with an open thought even where the template leaves it to the model")
    ]
    thought_prefix: Annotated[str | None, Row(utf8, "the thought begins with this text (and is opened for it)")]
    answer_prefix: Annotated[str | None, Row(utf8, "the answer begins with it")]
    budget_text: Annotated[
        str | None,
        Row(utf8, 'what the thought says when it is closed for it; None: the sentence that the family knows; "": '
            "nothing"),
    ]  # fmt: skip
    loop_guard: Annotated[
        bool | None,
        Row(lambda value, name: 0 if value else 1, "a thought that goes in circles is closed and answered "
            '(finish_reason "loop"); False: let it'),
    ]  # fmt: skip
    loop_ngram: Annotated[int | None, Row(_number, "a circle: the same so many tokens (0: 32)")]
    loop_repeats: Annotated[int | None, Row(_number, "came so many times (0: 4)")]
    loop_window: Annotated[int | None, Row(_number, "within so many tokens (0: 2048)")]
    stop: Annotated[
        str | Sequence[str] | None, Row(texts, "the answer ends before the first of these strings that appears")
    ]
    ignore_eos: Annotated[bool | None, Row(flag, "go on past end-of-text tokens, for measuring")]


class ConstraintOptions(TypedDict, total=False):
    """The keywords that hold the answer (never the thought) to a form; at most one of the first three."""

    json_schema: Annotated[
        Mapping[str, Any] | bool | str | None, Row(json_text, "the answer is JSON of this schema: a dict, or its text")
    ]
    regex: Annotated[str | None, Row(utf8, "the whole answer matches this regular expression")]
    grammar: Annotated[str | None, Row(utf8, "the answer follows this GBNF grammar, from `root`")]
    response_format: Annotated[
        Mapping[str, Any] | None,
        # _openai.translated() makes it json_schema.
        Row(flag, 'json_schema in the words of OpenAI\'s API: {"type": "json_schema", "json_schema": {"schema": ...}}, '
            '{"type": "json_object"} or {"type": "text"}'),
    ]  # fmt: skip
    tool_choice: Annotated[
        ToolChoice | Mapping[str, Any] | None,
        Row(one_of(TOOL_CHOICES), '"auto": the model decides; "strict": the same, with names and arguments held to the '
            'tools; "required": the answer is such a call; "none": the template is not told of them; {"type": '
            '"function", "function": {"name": ...}}: the answer is a call of that tool, the only one told of'),
    ]  # fmt: skip


class RunOptions(TypedDict, total=False):
    """The keywords about the run: seed, order, speed, and what is reported."""

    answer_sampling: Annotated[
        Sampling | None, Row(native_sampling, "a Sampling (or dict) that holds after the thought")
    ]
    seed: Annotated[
        int | None,
        Row(whole(0, UINT64_MAX), "same seed, same text; None or 0: a new one each time (usage.seed tells it)"),
    ]
    logprobs: Annotated[
        int | bool | None,
        Row(top_logprobs, "how many alternatives each event reports, up to 20 (the chosen token's own is always there)",
            "top_logprobs"),
    ]  # fmt: skip
    trace_experts: Annotated[
        bool | None, Row(flag, "events tell the experts of their pass, ask()'s reply the routing of the whole context")
    ]
    priority: Annotated[
        int | None, Row(whole(-100, 100), "-100..100: higher goes first, and waits less for its turn")
    ]
    speculation: Annotated[
        Speculation | None,
        Row(one_of(SPECULATIONS), '"auto", "off", "ngram", "mtp" or "draft": the tokens are the same with any of them'),
    ]
    draft_model: Annotated["Model | None", Row(native_model, "a small model with the same tokens, for speculation")]
    draft_max: Annotated[int | None, Row(whole(0, 64), "tokens drafted ahead at most; 0: 16")]


class VoteOptions(PromptOptions, ThoughtOptions, Sampling, ConstraintOptions, RunOptions, total=False):
    """The keywords of vote(): those of generate() without n. help(Model.generate) says what each means."""


class GenerateOptions(VoteOptions, total=False):
    """The keywords of generate(), ask(), ask_async() and render(); help(Model.generate) says what each means."""

    n: Annotated[
        int | None,
        Row(lambda value, name: integer(value, name, 1, 1024), "samples of the reply, 1..1024, which share the prompt; "
            "their events come interleaved, each with its `sample`"),
    ]  # fmt: skip


MODEL_ROWS = _rows(ModelOptions)
PROMPT_ROWS = _rows(PromptOptions)
GENERATE_ROWS = _rows(GenerateOptions)


def native_options(keywords: Mapping[str, Any]) -> _pensee.Options:
    """Options of the given keywords; those of PromptOptions are left to the prompt."""
    native, sampling = _pensee.Options(), _pensee.Sampling()
    sampled = False
    for name, value in keywords.items():
        if name not in GENERATE_ROWS:
            raise TypeError(f"unexpected keyword argument {name!r}")
        if value is None or name in PROMPT_ROWS:
            continue
        row = GENERATE_ROWS[name]
        field = row.field or name
        elsewhere = name in SAMPLING_ROWS and not hasattr(native, field)  # temperature and three others are in both
        setattr(sampling if elsewhere else native, field, row.convert(value, name))
        sampled = sampled or elsewhere
    if sampled:
        native.sampling = sampling
    return native


def native_model_options(keywords: Mapping[str, Any]) -> _pensee.ModelOptions:
    native = _pensee.ModelOptions()
    for name, value in keywords.items():
        if name not in MODEL_ROWS:
            raise TypeError(f"unexpected keyword argument {name!r}")
        if value is not None:
            setattr(native, name, MODEL_ROWS[name].convert(value, name))
    return native


Function = TypeVar("Function", bound=Callable[..., Any])


def _table(rows: Mapping[str, Row]) -> str:
    width = max(map(len, rows)) + 2
    lines = [
        textwrap.fill(row.doc, 116, initial_indent=name.ljust(width), subsequent_indent=" " * width)
        for name, row in rows.items()
    ]
    return "\n".join(lines)


def takes(options: type, told: bool = False) -> Callable[[Function], Function]:
    """For a function that ends in `**options: Unpack[...]`: its signature names the keywords, and where `told` its
    docstring says what each means, in place of the line "{options}"."""
    rows = _rows(options)

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        taken = {parameter.name for parameter in parameters}
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
            for name in rows
            if name not in taken
        ]
        function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        if told and function.__doc__:
            indent = " " * 8
            function.__doc__ = function.__doc__.replace(
                indent + "{options}", textwrap.indent(_table(rows), indent)
            )
        return function

    return decorate
