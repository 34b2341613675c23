"""From Python's arguments to native values: tables of names, and every check that can name the argument.

A converter takes (value, name) and is never given None, which everywhere means: as if the argument were not there.
"""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, SupportsFloat, SupportsIndex, cast

from . import _pensee
from ._errors import BadArgument
from ._types import Prompt, TokenIds

BACKENDS = {"auto": 0, "native": 1, "onednn": 2, "blas": 3}
ACTIVATIONS = {"auto": 0, "int16": 1, "int8": 2}
CACHE_TYPES = {"auto": 0, "f32": 1, "f16": 2, "bf16": 3, "int8": 4, "int4": 5}
EFFORTS = {"default": 0, "none": 1, "minimal": 2, "low": 3, "medium": 4, "high": 5, "xhigh": 6, "max": 7}
KINDS = {1: "thought", 2: "answer", 3: "tool_call", 4: "end"}
FINISH_REASONS = {1: "stop", 2: "length", 3: "budget", 4: "loop", 5: "cancelled", 6: "tool_call", 7: "error"}
SAMPLERS = {
    "penalties": 1, "dry": 2, "temperature": 3, "top_n_sigma": 4, "top_k": 5, "top_p": 6, "min_p": 7, "typical": 8,
    "xtc": 9,
}  # fmt: skip
SPECULATIONS = {"auto": 0, "off": 1, "ngram": 2, "mtp": 3, "draft": 4}
LOOP_GUARDS = {"on": 0, "off": 1}
TOOL_CHOICES = {"auto": 0, "strict": 1, "required": 2, "none": 3}
WEIGHTINGS = {"plain": 0, "confidence": 1}
THREAD_PRIORITIES = {"normal": 0, "low": 1, "background": 2}
PACKED_FILES = {"map": 0, "read": 1, "verify": 2}
TRIM_LEVELS = {"caches": 0, "sessions": 1}
DTYPES = {"f32": 1, "f16": 2, "bf16": 3}
ADD_SPECIAL, PLAIN_TEXT, SKIP_SPECIAL = 1, 2, 4
IN_THOUGHT = 1
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


def path(value: str | os.PathLike[str], name: str) -> bytes:
    encoded = os.fsencode(value)
    if b"\0" in encoded:
        raise BadArgument(f"{name}: holds a zero byte")
    return encoded


def integer(value: SupportsIndex, name: str, low: int, high: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an integer, not {type(value).__name__}") from None
    if not low <= number <= high:
        raise BadArgument(f"{name}: {number} is not within {low}..{high}")
    return number


def whole(low: int, high: int) -> Callable[[Any, str], int]:
    """The converter to an integer within low..high."""
    return lambda value, name: integer(value, name, low, high)


def real(value: SupportsFloat | SupportsIndex, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name}: expected a number, not {value!r}") from None


def flag(value: object, name: str) -> int:
    return int(bool(value))


def choice(value: str, name: str, choices: Mapping[str, int]) -> int:
    if not isinstance(value, str) or value not in choices:
        raise BadArgument(f"{name}: {value!r} is none of " + ", ".join(map(repr, choices)))
    return choices[value]


def one_of(choices: Mapping[str, int]) -> Callable[[Any, str], int]:
    """The converter of a name to the header's number."""
    return lambda value, name: choice(value, name, choices)


def callback(value: object, name: str) -> object:
    if not callable(value):
        raise TypeError(f"{name}: expected a callable, not {type(value).__name__}")
    return value


def texts(value: str | Iterable[str], name: str) -> list[bytes]:
    return [utf8(text, name) for text in ([value] if isinstance(value, str) else value)]


def top_logprobs(value: int | bool, name: str) -> int:
    # True: the chosen token's own, which every event carries anyway.
    return 0 if isinstance(value, bool) else integer(value, name, 0, TOP_LOGPROBS_MAX)


def json_text(value: Mapping[str, Any] | bool | str, name: str) -> bytes:
    """JSON as a text or as what becomes one."""
    return utf8(value, name) if isinstance(value, str) else to_json(value, name)


def logit_bias(value: Mapping[Any, float], name: str) -> list[tuple[int, float]]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: expected a mapping of token ids to numbers, not {type(value).__name__}")
    out = []
    for key, bias in value.items():  # JSON's keys are strings
        token_id = int(key) if isinstance(key, str) and key.isdecimal() else key
        out.append((integer(token_id, name, 0, INT32_MAX), real(bias, f"{name}[{key}]")))
    return out


def sampler_order(value: Iterable[str], name: str) -> list[int]:
    if isinstance(value, str):
        raise TypeError(f"{name}: expected a sequence of names, not str")
    return [choice(sampler, name, SAMPLERS) for sampler in value]


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
