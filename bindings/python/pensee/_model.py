"""Model and Session: what a program holds. Both generate; a session also remembers what it computed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Union, cast

from . import _options, _pensee
from ._errors import BadArgument
from ._stream import Stream
from ._types import (
    Activations,
    Backend,
    CacheType,
    Effort,
    GenerateOptions,
    ModelInfo,
    Prompt,
    Reply,
    TokenIds,
)

if TYPE_CHECKING:
    import mmap

    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Self, Unpack


class HasFileno(Protocol):
    """An open file."""

    def fileno(self) -> int: ...


Source = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, "mmap.mmap", HasFileno, None]


class _Generates:
    """What Model and Session have in common."""

    def _native_session(self) -> _pensee.Session:
        raise NotImplementedError

    def generate(
        self,
        prompt: Prompt,
        *,
        system: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        max_tokens: int | None = None,
        think_budget: int | None = None,
        effort: Effort | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float = 0.0,
        seed: int | None = None,
        stop: str | Sequence[str] | None = None,
        ignore_eos: bool = False,
        logprobs: int | bool = False,
        n: int = 1,
    ) -> Stream:
        """Starts generating and returns the stream of its events at once.

        prompt        a question (put through the chat template; as it stands where the model has none), a whole
                      conversation as OpenAI-shaped messages, or raw token ids (no template, no BOS)
        system        system message before a str prompt
        tools         OpenAI-shaped tools, given to the template
        max_tokens    thought and answer together; None or 0: until the context is full
        think_budget  tokens of thought; at the limit the thought is closed and the answer follows. 0: closed at once;
                      None or -1: no limit
        effort        "none" .. "max", handed to the template of a family that knows it
        temperature   0: greedy; None: as the model recommends, else 0.6
        top_k         0: off; None: as the model recommends, else off
        top_p         (0, 1], 1: off; None: as the model recommends, else 0.95
        min_p         [0, 1], 0: off
        seed          same seed, same text; None or 0: a new one each time (usage.seed tells it)
        stop          the answer ends before the first of these strings that appears
        ignore_eos    go on past end-of-text tokens, for measuring
        logprobs      how many alternatives each event reports, up to 20 (the chosen token's own is always there)
        n             replies to sample: 1 in this release

        Raises Error at once for a bad argument or a prompt longer than the context; errors that come later are raised
        by the iteration. On a Session: Status.BUSY while another stream of it runs. On a Model: any thread.
        """
        native = self._native_session()
        native_prompt = _options.native_prompt(prompt, system, tools)
        options = _options.native_options(
            max_tokens=max_tokens, think_budget=think_budget, effort=effort, temperature=temperature, top_k=top_k,
            top_p=top_p, min_p=min_p, seed=seed, stop=stop, ignore_eos=ignore_eos, logprobs=logprobs, n=n,
        )  # fmt: skip
        return Stream(native.stream(native_prompt, options))

    def ask(self, prompt: Prompt, **options: Unpack[GenerateOptions]) -> Reply:
        """Generates (the same arguments as generate()) and waits for the whole reply. Ctrl-C cancels it."""
        return self.generate(prompt, **options).reply()

    async def ask_async(self, prompt: Prompt, **options: Unpack[GenerateOptions]) -> Reply:
        """ask() for asyncio: the event loop goes on meanwhile; cancelling the task cancels the generation."""
        return await self.generate(prompt, **options).reply_async()


class Model(_Generates):
    """Weights, tokenizer and chat template. Any number of threads may use one model at once.

    path_or_name: a GGUF file (of a split one the first part), a .safetensors file with its config.json beside it, or a
    Hugging Face folder; bytes, a memoryview or an mmap with a GGUF inside (read during the call only); an open file;
    None: the default model.

    threads        1..1024; 0: the CPUs that this process may use
    backend        "auto", "native": identical tokens whatever the threads; "onednn", "blas": only close to that
    exact          False: allow what rounds in its own way
    memory_budget  bytes for weights, caches and scratch together; 0: no limit. Beyond it: OutOfMemory
    activations    how the native backend meets quantised weights: "int16" (as good as float32) or "int8"
    cache_type     how keys, values and latents are kept: "f32", "f16" or "bf16"
    context_max    positions a session may hold; 0: the model's own limit
    isa            "scalar", "avx2", "avx512", "neon"; None: the best of this CPU
    skip_weights   read headers, tokenizer and template only: enough for info, tokenize and render, in milliseconds
    progress       called on this thread with 0..1 while loading; False cancels (Error with Status.CANCELLED)
    log            called with (level, text), level 0 debug, 1 info, 2 warning, on whatever thread has something to say,
                   as long as the model lives; must not call pensee

    close() or `with` gives the memory back as soon as its last session and stream are gone too.
    """

    def __init__(
        self,
        path_or_name: Source = None,
        *,
        threads: int = 0,
        backend: Backend = "auto",
        exact: bool = True,
        memory_budget: int = 0,
        activations: Activations = "auto",
        cache_type: CacheType = "auto",
        context_max: int = 0,
        isa: str | None = None,
        skip_weights: bool = False,
        progress: Callable[[float], bool | None] | None = None,
        log: Callable[[int, str], object] | None = None,
    ) -> None:
        native = _options.native_model_options(
            threads=threads, backend=backend, exact=exact, memory_budget=memory_budget, activations=activations,
            cache_type=cache_type, context_max=context_max, isa=isa, skip_weights=skip_weights, progress=progress,
            log=log,
        )  # fmt: skip
        self._native = _open(path_or_name, native)
        self._info = ModelInfo(**self._native.info())

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview | mmap.mmap, **options: Any) -> Self:
        """A GGUF in memory; the bytes are read during the call only. The other arguments are Model's."""
        return cls(memoryview(data), **options)

    @classmethod
    def from_fd(cls, fd: int | HasFileno, offset: int = 0, length: int = 0, **options: Any) -> Self:
        """A GGUF inside an open file, from byte `offset` over `length` bytes (0: to the end). The descriptor is
        duplicated: close yours when you like. The other arguments are Model's."""
        return cls(_FilePart(fd, offset, length), **options)  # type: ignore[arg-type]

    @property
    def info(self) -> ModelInfo:
        """What the model is and costs. Stays readable after close()."""
        return self._info

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._native.closed

    def tokenize(self, text: str, *, add_special: bool = False, parse_special: bool = True) -> list[int]:
        """Token ids of `text`. add_special: with what the model puts around a text (BOS). parse_special: "<|im_end|>"
        in the text becomes the special token; False: stays text."""
        flags = (_options.ADD_SPECIAL if add_special else 0) | (0 if parse_special else _options.PLAIN_TEXT)
        return self._native.tokenize(_options.utf8(text, "text"), flags)

    def detokenize(self, ids: TokenIds, *, skip_special: bool = False) -> str:
        """Text of token ids; bytes that are no whole character become U+FFFD. skip_special: without special tokens."""
        return self.detokenize_bytes(ids, skip_special=skip_special).decode("utf-8", "replace")

    def detokenize_bytes(self, ids: TokenIds, *, skip_special: bool = False) -> bytes:
        """The bytes of token ids: a list cut inside a character gives a part of it."""
        return self._native.detokenize(_options.token_ids(ids), _options.SKIP_SPECIAL if skip_special else 0)

    def logits(self, ids: TokenIds) -> npt.NDArray[np.float32]:
        """Teacher-forced logits, float32 [len(ids), vocab_size]: row i is the model's prediction after ids[0..i]. No
        BOS is added. Needs numpy. Any thread; calls take turns. Ctrl-C is seen when the computation is done."""
        import numpy

        native_ids = _options.token_ids(ids)
        out = numpy.empty((len(native_ids), self._info.vocab_size), dtype=numpy.float32)
        self._native.logits(native_ids, out)
        return out

    def logprobs(self, ids: TokenIds) -> npt.NDArray[np.float32]:
        """Log-probabilities of the given tokens, float32 [len(ids)]: entry i is that of ids[i] after ids[0..i-1]; entry
        0 is 0. The logits of all positions never lie in memory together. Otherwise as logits()."""
        import numpy

        native_ids = _options.token_ids(ids)
        out = numpy.empty(len(native_ids), dtype=numpy.float32)
        self._native.logprobs(native_ids, out)
        return out

    def render(
        self,
        prompt: Prompt,
        *,
        system: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        effort: Effort | None = None,
        think_budget: int | None = None,
    ) -> str:
        """The prompt as the model will read it: generate()'s arguments put through the chat template."""
        native = _options.native_prompt(prompt, system, tools)
        options = _options.native_options(effort=effort, think_budget=think_budget)
        return self._native.render(native, options).decode("utf-8", "replace")

    def session(self) -> Session:
        """A new session. It keeps the weights alive."""
        return Session(self._native.session())

    def close(self) -> None:
        """Lets go of the model. May be called again; every other method raises BadArgument afterwards."""
        self._native.close()

    def _native_session(self) -> _pensee.Session:
        return self._native.session()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        info = self._info
        name = f" {info.name!r}" if info.name else ""
        return f"<pensee.Model{name} {info.architecture} {info.parameters_total / 1e9:.3g}B {info.quantization}>"


class Session(_Generates):
    """A conversation's memory. Hand generate() the whole conversation each time: only what is new after the longest
    common prefix is computed (usage.cached_tokens). One stream at a time; cancel() from any thread."""

    def __init__(self, native: _pensee.Session) -> None:
        self._native = native

    def cancel(self) -> None:
        """Stops what the session generates, within one token or one chunk of the prompt. Any thread."""
        self._native.cancel()

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._native.closed

    def close(self) -> None:
        """Forgets everything. A stream that still runs goes on to its end. May be called again."""
        self._native.close()

    def _native_session(self) -> _pensee.Session:
        return self._native

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _FilePart:
    """A piece of an open file, for from_fd."""

    def __init__(self, fd: int | HasFileno, offset: int, length: int) -> None:
        self.fd = fd if isinstance(fd, int) else fd.fileno()
        self.offset = _options.integer(offset, "offset", 0, _options.INT64_MAX)
        self.length = _options.integer(length, "length", 0, _options.INT64_MAX)


def _open(source: Source | _FilePart, options: _pensee.ModelOptions) -> _pensee.Model:
    if source is None:
        return _pensee.Model.open(None, options)
    if isinstance(source, (str, os.PathLike)):
        path = os.fsencode(source)
        if b"\0" in path:
            raise BadArgument("path_or_name: holds a zero byte")
        return _pensee.Model.open(path, options)
    if isinstance(source, _FilePart):
        _options.integer(source.fd, "fd", 0, _options.INT32_MAX)
        return _pensee.Model.open_fd(source.fd, source.offset, source.length, options)
    try:
        view = memoryview(cast(bytes, source))
    except TypeError:
        fileno: Callable[[], int] | None = getattr(source, "fileno", None)
        if fileno is None:
            raise TypeError(f"path_or_name: cannot open a {type(source).__name__}") from None
        return _pensee.Model.open_fd(fileno(), 0, 0, options)
    if not view.c_contiguous:
        raise BadArgument("path_or_name: the memory is not contiguous")
    return _pensee.Model.open_memory(view, options)
