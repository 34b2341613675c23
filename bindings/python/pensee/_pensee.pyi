"""The native module: pensee.h one to one. Use the package's own names; this layer may change."""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

HEADER_VERSION: int

# kind, finish_reason, text, token_id, logprob, position, [(token_id, logprob)], (id, name, arguments), usage, sample,
# forced, expert ids, expert weights
RawEvent = tuple[
    int,
    int,
    str,
    int,
    float,
    int,
    tuple[tuple[int, float], ...],
    tuple[str, str, str] | None,
    dict[str, Any] | None,
    int,
    bool,
    bytes | None,
    bytes | None,
]

class RawReply(TypedDict):
    thought: str
    answer: str
    tool_calls: tuple[tuple[str, str, str], ...]
    usage: dict[str, Any]
    finish_reason: int
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    message_json: str
    routing: tuple[int, int, int, bytes, bytes] | None  # positions, layers, experts a token, ids, weights
    samples: list[RawReply]  # those after the reply itself

def version() -> int: ...
def version_text() -> str: ...
def status_name(status: int) -> str: ...
def status_text(status: int) -> str: ...
def stop_callbacks() -> None: ...

class ModelOptions:
    threads: int
    backend: int
    activations: int
    cache_type: int
    context_max: int
    memory_budget: int
    skip_weights: int
    exact: int
    isa: str | bytes | None
    progress: Callable[[float], bool | None] | None
    log: Callable[[int, str], object] | None
    value_cache_type: int
    mtp: int
    prefix_cache_bytes: int
    max_concurrent: int
    max_waiting: int
    keep_file: int
    thread_priority: int
    low_memory: Callable[[int], bool | None] | None
    packed_file: int
    tuning_file: str | bytes | None
    def __init__(self) -> None: ...

class Sampling:
    temperature: float
    top_p: float
    min_p: float
    top_k: int
    typical_p: float
    top_n_sigma: float
    xtc_probability: float
    xtc_threshold: float
    repetition_penalty: float
    frequency_penalty: float
    presence_penalty: float
    penalty_last_n: int
    dry_multiplier: float
    dry_base: float
    dry_allowed_length: int
    dry_last_n: int
    dry_breakers: Sequence[str | bytes] | None
    mirostat: int
    mirostat_tau: float
    mirostat_eta: float
    logit_bias: Sequence[tuple[int, float]]
    order: Sequence[int] | None
    def __init__(self) -> None: ...

class Options:
    max_tokens: int
    think_budget: int
    temperature: float
    top_p: float
    min_p: float
    top_k: int
    seed: int
    stop: Sequence[str | bytes]
    ignore_eos: int
    top_logprobs: int
    effort: int
    n: int
    priority: int
    answer_budget: int
    min_thought: int
    open_thought: int
    thought_prefix: str | bytes | None
    answer_prefix: str | bytes | None
    budget_text: str | bytes | None
    loop_guard: int
    loop_ngram: int
    loop_repeats: int
    loop_window: int
    sampling: Sampling | None  # a copy: set it when it is complete
    answer_sampling: Sampling | None
    json_schema: str | bytes | None
    regex: str | bytes | None
    grammar: str | bytes | None
    tool_choice: int
    speculation: int
    draft_max: int
    draft_model: Model | None
    trace_experts: int
    def __init__(self) -> None: ...

class Prompt:
    text: str | bytes | None
    system: str | bytes | None
    messages_json: str | bytes | None
    tools_json: str | bytes | None
    ids: Sequence[int] | None
    def __init__(self) -> None: ...

class Model:
    @staticmethod
    def open(path: str | bytes | None, options: ModelOptions) -> Model: ...
    @staticmethod
    def open_fd(fd: int, offset: int, length: int, options: ModelOptions) -> Model: ...
    @staticmethod
    def open_memory(data: object, options: ModelOptions) -> Model: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def info(self) -> dict[str, Any]: ...
    def tokenize(self, text: str | bytes, flags: int) -> list[int]: ...
    def detokenize(self, ids: Sequence[int], flags: int) -> bytes: ...
    def logits(self, ids: Sequence[int], out: object) -> None: ...
    def logprobs(self, ids: Sequence[int], out: object) -> None: ...
    def score(
        self,
        ids: Sequence[int],
        expert_ids: object,
        out: object,
        expert_ids_out: object,
        expert_weights_out: object,
        progress: Callable[[float], bool | None] | None,
    ) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def trim(self, level: int) -> int: ...
    def set_threads(self, threads: int) -> None: ...
    def memory(self) -> dict[str, int]: ...
    def set_weights(self, tensors: Sequence[tuple[str | bytes, int, Sequence[int], object]]) -> None: ...
    def save_packed(self, path: bytes, progress: Callable[[float], bool | None] | None) -> None: ...
    def tune(self, path: bytes, progress: Callable[[float], bool | None] | None) -> None: ...
    def parse_reply(self, text: str | bytes, flags: int) -> RawReply: ...
    def render(self, prompt: Prompt, options: Options) -> bytes: ...
    def session(self) -> Session: ...
    def restore(self, path: str | bytes) -> Session: ...
    def restore_memory(self, data: object) -> Session: ...

class Session:
    @property
    def closed(self) -> bool: ...
    def stream(self, prompt: Prompt, options: Options) -> Stream: ...
    def ask(self, prompt: Prompt, options: Options) -> RawReply: ...
    def vote(
        self, prompt: Prompt, options: Options, n: int, weighting: int, all: bool, at_once: int
    ) -> tuple[list[tuple[str, int, float, int]], list[RawReply]]: ...
    def fork(self) -> Session: ...
    def rewind(self, tokens: int) -> None: ...
    def tokens(self) -> list[int]: ...
    def save(self, path: str | bytes) -> None: ...
    def save_memory(self) -> bytes: ...
    def cancel(self) -> None: ...
    def end_thought(self) -> None: ...
    def close(self) -> None: ...

class Stream:
    @property
    def closed(self) -> bool: ...
    def next(self, timeout_ms: int) -> RawEvent | None: ...
    def cancel(self) -> None: ...
    def end_thought(self) -> None: ...
    def close(self) -> None: ...
