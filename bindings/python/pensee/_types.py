"""The values that pensee returns: frozen dataclasses with the names of pensee.h."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, SupportsIndex, Union

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Backend = Literal["auto", "native", "onednn", "blas"]
Activations = Literal["auto", "int16", "int8"]
CacheType = Literal["auto", "f32", "f16", "bf16", "int8", "int4"]
Effort = Literal["default", "none", "minimal", "low", "medium", "high", "xhigh", "max"]
Sampler = Literal["penalties", "dry", "temperature", "top_n_sigma", "top_k", "top_p", "min_p", "typical", "xtc"]
Speculation = Literal["auto", "off", "ngram", "mtp", "draft"]
ToolChoice = Literal["auto", "strict", "required", "none"]
Weighting = Literal["plain", "confidence"]
ThreadPriority = Literal["normal", "low", "background"]
PackedFile = Literal["map", "read", "verify"]
TrimLevel = Literal["caches", "sessions"]
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
    num_mtp_layers: int
    """Layers of multi-token prediction that are loaded."""
    num_moe_layers: int
    """Layers with routed experts: rows of a routing."""
    tool_format: str
    """How the model writes tool calls, "hermes"; "": it knows no tools, and the system message describes them."""


@dataclass(frozen=True)
class Memory:
    """What a model takes now, in bytes."""

    budget: int
    """memory_budget; 0: no limit."""
    used: int
    """What counts within it: weights, pages of sessions and of the prefix cache, scratch."""
    weights: int
    """Without `mapped`."""
    prefix_cache: int
    """Its pages; those that sessions use as well are in memory once."""
    scratch: int
    mapped: int
    """Weights that lie in a packed file: not in `used`; the system shares them between processes and drops them when
    memory is short."""


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
    drafted_tokens: int
    """By speculation."""
    accepted_tokens: int
    """Of the drafted ones."""
    passes: int
    """Forward passes that the reply took after the prompt."""
    seconds_waiting: float
    """For a turn, before the first token of the prompt was computed."""


@dataclass(frozen=True)
class Alternative:
    """A token that could have come instead. `logprob`: natural logarithm, temperature 1, before top-k and the like."""

    token_id: int
    logprob: float


@dataclass(frozen=True)
class ToolCall:
    """A call of one of the tools."""

    id: str
    """To be repeated in the message with the result, as "tool_call_id"."""
    name: str
    arguments_json: str
    """JSON text."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments as a dict."""
        value = json.loads(self.arguments_json)
        return value if isinstance(value, dict) else {}


class Routing(NamedTuple):
    """Which experts computed what: arrays [positions, layers with experts, experts a token], best expert first."""

    expert_ids: npt.NDArray[np.int32]
    """-1: not known."""
    expert_weights: npt.NDArray[np.float32]
    """What each expert's output was multiplied with."""


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
    """With the last event of a call; those before it bring its text alone."""
    finish_reason: FinishReason | None = None
    """Set when kind is "end"."""
    usage: Usage | None = None
    """Set when kind is "end"."""
    sample: int = 0
    """Which of n."""
    forced: bool = False
    """The library put the token: a prefix, the end of a thought."""
    expert_ids: npt.NDArray[np.int32] | None = field(default=None, compare=False, repr=False)
    """With trace_experts: of the pass that gave the token, [layers with experts, experts a token]."""
    expert_weights: npt.NDArray[np.float32] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Reply:
    """A whole reply: the thought and the answer apart."""

    thought: str
    """"" when there was none. Where there was one, the space around its tags is in neither text; the texts of a
    stream's events, joined, have it."""
    answer: str
    tool_calls: tuple[ToolCall, ...]
    usage: Usage
    finish_reason: FinishReason
    token_ids: tuple[int, ...]
    """All tokens that were generated, the thought's first."""
    logprobs: tuple[float, ...]
    """One for each of token_ids: natural logarithms, at temperature 1."""
    message_json: str = field(default="", repr=False)
    """message() as text."""
    routing: Routing | None = field(default=None, compare=False, repr=False)
    """With trace_experts. ask(): of every computed position of prompt and reply; of a stream: what its events told."""
    others: tuple[Reply, ...] = field(default=(), repr=False)
    """The samples after this one, with n."""

    @property
    def samples(self) -> tuple[Reply, ...]:
        """All n samples: this reply and the others."""
        return (self, *self.others)

    @property
    def choices(self) -> tuple[Reply, ...]:
        """Another word for samples."""
        return self.samples

    def message(self) -> dict[str, Any]:
        """The reply as an OpenAI-shaped message, to be appended to the conversation."""
        message: dict[str, Any] = json.loads(self.message_json)
        return message

    def completion(self, model: str = "pensee") -> dict[str, Any]:
        """The reply and its samples as OpenAI's "chat.completion", the thought as "reasoning_content". model: the name
        that stands in it."""
        from ._openai import completion

        return completion(self, model)

    @staticmethod
    def from_events(events: Iterable[Event]) -> Reply:
        """The reply that all events of a stream make up."""
        from ._reply import reply_of_events

        return reply_of_events(events)

    def __str__(self) -> str:
        return self.answer


@dataclass(frozen=True)
class VoteAnswer:
    """An answer that replies came to."""

    answer: str
    """As the first reply has it: the last \\boxed{...}, what follows "answer is", or the last line."""
    votes: int
    weight: float
    """Its share of all weight, 0..1."""
    reply: int
    """Index of the first reply that came to it."""


@dataclass(frozen=True)
class Vote:
    """What replies to one prompt agree on."""

    answers: tuple[VoteAnswer, ...]
    """The distribution, winner first."""
    replies: tuple[Reply, ...] = field(repr=False)
    """All of them; those with finish_reason "cancelled" have no vote."""

    @property
    def answer(self) -> str | None:
        """The winner; None where no reply came to an answer."""
        return self.answers[0].answer if self.answers else None

    @property
    def reply(self) -> Reply | None:
        """The first reply that came to the winner."""
        return self.replies[self.answers[0].reply] if self.answers else None

    def __str__(self) -> str:
        return self.answer or ""
