"""The values that pensee returns: frozen dataclasses with the names of pensee.h."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypedDict, Union

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Backend = Literal["auto", "native", "onednn", "blas"]
Activations = Literal["auto", "int16", "int8"]
CacheType = Literal["auto", "f32", "f16", "bf16"]
Effort = Literal["default", "none", "minimal", "low", "medium", "high", "xhigh", "max"]
EventKind = Literal["thought", "answer", "tool_call", "end"]
FinishReason = Literal["stop", "length", "budget", "loop", "cancelled", "tool_call", "error"]

Message = Mapping[str, Any]
"""An OpenAI-shaped message: {"role": "user", "content": "..."}; "reasoning_content" holds a thought."""
TokenIds = Union[Sequence[int], Sequence[SupportsIndex], "npt.NDArray[np.integer[Any]]"]
"""Token ids: a list, tuple, array or one-dimensional numpy array of integers."""
Prompt = Union[str, Sequence[Message], TokenIds]
"""What to continue: a question (put through the chat template), a whole conversation, or raw token ids."""


@dataclass(frozen=True)
class ModelInfo:
    """What a model is and costs. Bytes are bytes, times are seconds."""

    architecture: str
    """Hugging Face's model_type, "deepseek_v3"."""
    name: str
    """As the file calls itself, or ""."""
    quantization: str
    """Stored types by share of parameters, "Q4_1 97%, F32 3%"."""
    backend: str
    """"native", "onednn" or "blas"."""
    isa: str
    """Instruction set of the native kernels, "avx2"."""
    parameters_total: int
    parameters_active: int
    """Parameters that one token meets: chosen and shared experts; the embedding row is not counted."""
    num_hidden_layers: int
    hidden_size: int
    vocab_size: int
    """Columns of the logits."""
    context_max: int
    """Positions that a session can hold."""
    n_routed_experts: int
    """0: a dense model."""
    num_experts_per_tok: int
    n_shared_experts: int
    cache_bytes_per_token: int
    """All layers together."""
    weight_bytes: int
    """Of the packed weights in memory; with skip_weights: as stored in the file."""
    active_weight_bytes: int
    """Read to decode one token."""
    memory_bytes: int
    """Needed for weights and one session of 4096 positions (or context_max if less)."""
    load_seconds: float
    threads: int
    has_chat_template: bool
    thinks: bool
    """The model marks its thought, and the library splits it from the answer."""
    bos_token_id: int | None
    eos_token_id: int | None


@dataclass(frozen=True)
class Usage:
    """What a generation cost. Times are seconds from the call."""

    prompt_tokens: int
    cached_tokens: int
    """Of the prompt: not computed again, because the session remembered them."""
    thought_tokens: int
    """Tags included."""
    answer_tokens: int
    seconds_to_first_token: float
    seconds: float
    prompt_tokens_per_second: float
    tokens_per_second: float
    """Of the tokens after the first."""
    parameters_active: int
    """A token."""
    flops: float
    """Two for each weight met, by all tokens computed; attention over the cache is not counted."""
    weight_bytes_read: float
    """Of packed weights, by all tokens decoded and once for each chunk of the prompt."""
    seed: int
    """The seed that was used: give it again for the same text."""


@dataclass(frozen=True)
class Alternative:
    """A token that could have come instead. `logprob`: natural logarithm, temperature 1, before top-k and the like."""

    token_id: int
    logprob: float


@dataclass(frozen=True)
class ToolCall:
    """A call of one of the tools. `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Event:
    """A piece of a stream. Each generated token is the token_id of exactly one event, sent as soon as it is known; its
    text may be empty (a tag, a part of a character) and come with a later event."""

    kind: EventKind
    text: str = ""
    token_id: int | None = None
    """None at the end, and where a token's text was split over two events."""
    logprob: float | None = None
    """Natural logarithm of token_id's probability at temperature 1; None without a token_id."""
    position: int | None = None
    """Of the token in the context; None without a token_id."""
    alternatives: tuple[Alternative, ...] = ()
    """Best first; as many as `logprobs` asked for."""
    tool_call: ToolCall | None = None
    finish_reason: FinishReason | None = None
    """Set when kind is "end"."""
    usage: Usage | None = None
    """Set when kind is "end"."""


@dataclass(frozen=True)
class Reply:
    """A whole reply: the thought and the answer apart."""

    thought: str
    """"" when there was none."""
    answer: str
    tool_calls: tuple[ToolCall, ...]
    usage: Usage
    finish_reason: FinishReason
    token_ids: tuple[int, ...]
    """All tokens that were generated, the thought's first."""
    logprobs: tuple[float, ...]
    """One for each of token_ids."""

    def __str__(self) -> str:
        return self.answer


class GenerateOptions(TypedDict, total=False):
    """The keywords of generate(), ask() and ask_async(); Model.generate says what each means."""

    system: str | None
    tools: Sequence[Mapping[str, Any]] | None
    max_tokens: int | None
    think_budget: int | None
    effort: Effort | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float
    seed: int | None
    stop: str | Sequence[str] | None
    ignore_eos: bool
    logprobs: int | bool
    n: int
