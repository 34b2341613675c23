"""From Python's arguments to the native options: every check that can name the argument is made here."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsIndex, cast

from . import _pensee
from ._errors import BadArgument, Error, Status
from ._types import Prompt, TokenIds

BACKENDS = {"auto": 0, "native": 1, "onednn": 2, "blas": 3}
ACTIVATIONS = {"auto": 0, "int16": 1, "int8": 2}
CACHE_TYPES = {"auto": 0, "f32": 1, "f16": 2, "bf16": 3}
EFFORTS = {"default": 0, "none": 1, "minimal": 2, "low": 3, "medium": 4, "high": 5, "xhigh": 6, "max": 7}
KINDS = {1: "thought", 2: "answer", 3: "tool_call", 4: "end"}
FINISH_REASONS = {1: "stop", 2: "length", 3: "budget", 4: "loop", 5: "cancelled", 6: "tool_call", 7: "error"}
ADD_SPECIAL, PLAIN_TEXT, SKIP_SPECIAL = 1, 2, 4
TOP_LOGPROBS_MAX = 20
INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
UINT64_MAX = 2**64 - 1


def utf8(text: object, name: str) -> bytes:
    """UTF-8 of `text`; lone surrogates are a BadArgument that names the argument."""
    if not isinstance(text, str):
        raise TypeError(f"{name}: expected str, not {type(text).__name__}")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadArgument(f"{name}: a lone surrogate at character {error.start}") from None


def integer(value: SupportsIndex, name: str, low: int, high: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an integer, not {type(value).__name__}") from None
    if not low <= number <= high:
        raise BadArgument(f"{name}: {number} is not within {low}..{high}")
    return number


def choice(value: str | None, name: str, choices: Mapping[str, int], default: str) -> int:
    if value is None:
        value = default
    if value not in choices:
        raise BadArgument(f"{name}: {value!r} is none of " + ", ".join(map(repr, choices)))
    return choices[value]


def token_ids(ids: TokenIds, name: str = "ids") -> list[int]:
    """A list of ids that fit in 32 bits; whether the model has them, the library checks."""
    if isinstance(ids, (str, bytes, bytearray, memoryview)):
        raise TypeError(f"{name}: expected a sequence of token ids, not {type(ids).__name__}")
    out: list[int] = []
    for index, value in enumerate(ids):
        try:
            number = operator.index(value)
        except TypeError:
            raise TypeError(f"{name}[{index}]: expected a token id, not {type(value).__name__}") from None
        if not -1 <= number <= INT32_MAX:
            raise BadArgument(f"{name}[{index}]: {number} is no token id")
        out.append(number)
    return out


def to_json(value: object, name: str) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadArgument(f"{name}: cannot be written as JSON: {error}") from None
    return utf8(text, name)


def native_prompt(
    prompt: Prompt, system: str | None, tools: Sequence[Mapping[str, Any]] | None
) -> _pensee.Prompt:
    native = _pensee.Prompt()
    if isinstance(prompt, str):
        native.text = utf8(prompt, "prompt")
        if system is not None:
            native.system = utf8(system, "system")
    elif isinstance(prompt, (bytes, bytearray, memoryview, Mapping)):
        raise TypeError(f"prompt: expected str, messages or token ids, not {type(prompt).__name__}")
    elif len(prompt) > 0 and isinstance(prompt[0], Mapping):
        if system is not None:
            raise BadArgument("system: goes with a str prompt; put it into the messages as role 'system'")
        native.messages_json = to_json([_message(message, i) for i, message in enumerate(prompt)], "prompt")
    else:
        if system is not None or tools is not None:
            raise BadArgument("system, tools: raw token ids pass no template that could hold them")
        if len(prompt) == 0:
            raise BadArgument("prompt: is empty")
        native.ids = token_ids(prompt, "prompt")  # type: ignore[arg-type]
    if tools is not None:
        native.tools_json = to_json(list(tools), "tools")
    return native


def _message(message: object, index: int) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise TypeError(f"prompt[{index}]: expected a message (a mapping), not {type(message).__name__}")
    return dict(cast("Mapping[str, Any]", message))


def native_options(
    *,
    max_tokens: int | None = None,
    think_budget: int | None = None,
    effort: str | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float = 0.0,
    seed: int | None = None,
    stop: str | Sequence[str] | None = None,
    ignore_eos: bool = False,
    logprobs: int | bool = False,
    n: int = 1,
) -> _pensee.Options:
    if integer(n, "n", 1, INT32_MAX) != 1:
        raise Error("n: this release samples one reply a call; call again for more", Status.UNSUPPORTED)
    native = _pensee.Options()
    native.max_tokens = 0 if max_tokens is None else integer(max_tokens, "max_tokens", 0, INT64_MAX)
    native.think_budget = -1 if think_budget is None else integer(think_budget, "think_budget", -1, INT64_MAX)
    native.effort = choice(effort, "effort", EFFORTS, "default")
    native.temperature = -1.0 if temperature is None else float(temperature)
    native.top_k = -1 if top_k is None else integer(top_k, "top_k", -1, INT32_MAX)
    native.top_p = -1.0 if top_p is None else float(top_p)
    native.min_p = float(min_p)
    native.seed = 0 if seed is None else integer(seed, "seed", 0, UINT64_MAX)
    strings = [] if stop is None else [stop] if isinstance(stop, str) else list(stop)
    native.stop = [utf8(text, "stop") for text in strings]
    native.ignore_eos = bool(ignore_eos)
    # True: the chosen token's own, which every event carries anyway.
    native.top_logprobs = 0 if isinstance(logprobs, bool) else integer(logprobs, "logprobs", 0, TOP_LOGPROBS_MAX)
    return native


def native_model_options(
    *,
    threads: int,
    backend: str,
    exact: bool,
    memory_budget: int,
    activations: str,
    cache_type: str,
    context_max: int,
    isa: str | None,
    skip_weights: bool,
    progress: Callable[[float], bool | None] | None,
    log: Callable[[int, str], object] | None,
) -> _pensee.ModelOptions:
    for function, name in ((progress, "progress"), (log, "log")):
        if function is not None and not callable(function):
            raise TypeError(f"{name}: expected a callable, not {type(function).__name__}")
    native = _pensee.ModelOptions()
    native.threads = integer(threads, "threads", 0, 1024)
    native.backend = choice(backend, "backend", BACKENDS, "auto")
    native.exact = bool(exact)
    native.memory_budget = integer(memory_budget, "memory_budget", 0, UINT64_MAX)
    native.activations = choice(activations, "activations", ACTIVATIONS, "auto")
    native.cache_type = choice(cache_type, "cache_type", CACHE_TYPES, "auto")
    native.context_max = integer(context_max, "context_max", 0, INT64_MAX)
    native.isa = None if isa is None else utf8(isa, "isa")
    native.skip_weights = bool(skip_weights)
    native.progress = progress
    native.log = log
    return native
