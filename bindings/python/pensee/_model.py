"""Model and Session: what a program holds. Both generate; a session also remembers what it computed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Union, cast, overload

from . import _calls, _keywords, _openai, _options, _pensee
from ._errors import BadArgument
from ._keywords import GenerateOptions, ModelOptions, VoteOptions, takes
from ._reply import reply_of, vote_of
from ._stream import Stream
from ._types import Memory, ModelInfo, Prompt, Reply, Routing, TokenIds, TrimLevel, Vote, Weighting
from ._weights import tensor_row

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

    _info: ModelInfo

    def _native_session(self) -> _pensee.Session:
        raise NotImplementedError

    @takes(GenerateOptions, told=True)
    def generate(self, prompt: Prompt, **options: Unpack[GenerateOptions]) -> Stream:
        """Starts generating and returns the stream of its events at once.

        prompt: a question (put through the chat template; as it stands where the model has none), a whole conversation
        as OpenAI-shaped messages, or raw token ids (no template, no BOS). The keywords:

        {options}

        Raises Error at once for a bad argument or a prompt longer than the context; errors that come later are raised
        by the iteration. On a Session: Status.BUSY while another stream of it runs. On a Model: any thread.
        """
        native, native_prompt, native_options = self._request(prompt, options)
        shape = (self._info.num_moe_layers, self._info.num_experts_per_tok)
        return Stream(native.stream(native_prompt, native_options), max(native_options.n, 1), shape)

    @takes(GenerateOptions)
    def ask(self, prompt: Prompt, **options: Unpack[GenerateOptions]) -> Reply:
        """Generates (the same arguments as generate()) and waits for the whole reply. Ctrl-C cancels it."""
        if options.get("trace_experts"):
            native, call = self._traced(prompt, options)
            return _calls.wait(native, call)
        return self.generate(prompt, **options).reply()

    @takes(GenerateOptions)
    async def ask_async(self, prompt: Prompt, **options: Unpack[GenerateOptions]) -> Reply:
        """ask() for asyncio: the event loop goes on meanwhile; cancelling the task cancels the generation."""
        if options.get("trace_experts"):
            native, call = self._traced(prompt, options)
            return await _calls.wait_async(native, call)
        return await self.generate(prompt, **options).reply_async()

    @takes(VoteOptions)
    def vote(
        self,
        prompt: Prompt,
        n: int = 16,
        *,
        weighting: Weighting = "plain",
        all: bool = False,
        at_once: int = 0,
        **options: Unpack[VoteOptions],
    ) -> Vote:
        """Self-consistency: samples n replies, which share the prompt, and returns what most of them come to.

        Answers are compared by what they end with: the last \\boxed{...}, else what follows "answer is" or "Answer:",
        else the last line; numbers by value.

        n          1..1024 replies
        weighting  "plain": a vote a reply; "confidence": each weighs the mean probability of its reply's tokens
        all        False: what still runs is cancelled once the majority is certain
        at_once    replies under way at the same time; 0: all

        The other keywords are those of generate(). Ctrl-C cancels.
        """
        native, call = self._voting(prompt, (n, weighting, all, at_once), options)
        return _calls.wait(native, call)

    @takes(VoteOptions)
    async def vote_async(
        self,
        prompt: Prompt,
        n: int = 16,
        *,
        weighting: Weighting = "plain",
        all: bool = False,
        at_once: int = 0,
        **options: Unpack[VoteOptions],
    ) -> Vote:
        """vote() for asyncio: the event loop goes on meanwhile; cancelling the task cancels the replies."""
        native, call = self._voting(prompt, (n, weighting, all, at_once), options)
        return await _calls.wait_async(native, call)

    def _request(
        self, prompt: Prompt, options: Mapping[str, Any]
    ) -> tuple[_pensee.Session, _pensee.Prompt, _pensee.Options]:
        options = _openai.translated(options)
        native_options = _keywords.native_options(options)
        native_prompt = _options.native_prompt(prompt, options.get("system"), options.get("tools"))
        return self._native_session(), native_prompt, native_options

    def _traced(
        self, prompt: Prompt, options: Mapping[str, Any]
    ) -> tuple[_pensee.Session, Callable[[], Reply]]:
        # Only the library's own reply has the routing of the prompt.
        native, native_prompt, native_options = self._request(prompt, options)
        return native, lambda: reply_of(native.ask(native_prompt, native_options))

    def _voting(
        self, prompt: Prompt, how: tuple[int, str, bool, int], options: Mapping[str, Any]
    ) -> tuple[_pensee.Session, Callable[[], Vote]]:
        if "n" in options:
            raise TypeError("vote() takes n once")
        native, native_prompt, native_options = self._request(prompt, options)
        n = _options.integer(how[0], "n", 1, 1024)
        weighting = _options.choice(how[1], "weighting", _options.WEIGHTINGS)
        at_once = _options.integer(how[3], "at_once", 0, _options.INT32_MAX)
        every = bool(how[2])
        return native, lambda: vote_of(native.vote(native_prompt, native_options, n, weighting, every, at_once))


class Model(_Generates):
    """Weights, tokenizer and chat template. Any number of threads may use one model at once."""

    @takes(ModelOptions, told=True)
    def __init__(self, path_or_name: Source = None, **options: Unpack[ModelOptions]) -> None:
        """Opens a model.

        path_or_name: a GGUF file (of a split one the first part), a .safetensors file with its config.json beside it,
        a Hugging Face folder, or a file of save_packed(); bytes, a memoryview or an mmap with a GGUF inside (read
        during the call only); an open file; None: the default model, which comes with the package. The keywords:

        {options}

        close() or `with` gives the memory back as soon as its last session and stream are gone too.
        """
        self._native = _open(path_or_name, _keywords.native_model_options(options))
        self._info = ModelInfo(**self._native.info())

    @classmethod
    @takes(ModelOptions)
    def from_bytes(
        cls, data: bytes | bytearray | memoryview | mmap.mmap, **options: Unpack[ModelOptions]
    ) -> Self:
        """A GGUF in memory; the bytes are read during the call only. The other arguments are Model's."""
        return cls(memoryview(data), **options)

    @classmethod
    @takes(ModelOptions)
    def from_fd(
        cls, fd: int | HasFileno, offset: int = 0, length: int = 0, **options: Unpack[ModelOptions]
    ) -> Self:
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

    @overload
    def score(
        self,
        ids: TokenIds,
        expert_ids: Routing | npt.NDArray[np.integer[Any]] | None = None,
        trace: Literal[False] = False,
        progress: Callable[[float], bool | None] | None = None,
    ) -> npt.NDArray[np.float32]: ...

    @overload
    def score(
        self,
        ids: TokenIds,
        expert_ids: Routing | npt.NDArray[np.integer[Any]] | None = None,
        *,
        trace: Literal[True],
        progress: Callable[[float], bool | None] | None = None,
    ) -> tuple[npt.NDArray[np.float32], Routing]: ...

    def score(
        self,
        ids: TokenIds,
        expert_ids: Routing | npt.NDArray[np.integer[Any]] | None = None,
        trace: bool = False,
        progress: Callable[[float], bool | None] | None = None,
    ) -> npt.NDArray[np.float32] | tuple[npt.NDArray[np.float32], Routing]:
        """logprobs() with the routing replayed and recorded. The numbers equal, bit for bit, those that events gave
        when the tokens were generated (native backend).

        expert_ids  the experts to use, [positions, num_moe_layers, num_experts_per_tok] as a reply's routing (which may
                    be given itself). -1, and positions that are missing at the end: the router chooses
        trace       True: returns (logprobs, Routing), which tells the experts that were used
        progress    called on this thread with 0..1; False cancels (Error with Status.CANCELLED). Ctrl-C is heard
        """
        import numpy

        native_ids = _options.token_ids(ids)
        shape = (len(native_ids), self._info.num_moe_layers, self._info.num_experts_per_tok)
        replay = None if expert_ids is None else _experts_to_replay(expert_ids, shape)
        out = numpy.empty(len(native_ids), dtype=numpy.float32)
        routing = Routing(numpy.empty(shape, numpy.int32), numpy.empty(shape, numpy.float32)) if trace else None
        if progress is not None:
            _options.callback(progress, "progress")
        ids_out, weights_out = (None, None) if routing is None else routing
        self._native.score(native_ids, replay, out, ids_out, weights_out, progress)
        return out if routing is None else (out, routing)

    def pause(self) -> None:
        """Sessions compute nothing from the end of the pass that runs until resume(): for an application that goes into
        the background. Nothing is lost and no thread spins; iterating waits, cancelling works. Scoring goes on. Any
        thread."""
        self._native.pause()

    def resume(self) -> None:
        """Ends any number of pauses. Any thread."""
        self._native.resume()

    def trim(self, level: TrimLevel = "caches") -> int:
        """Gives memory back to the system and returns the bytes. Any thread; waits for no pass.

        "caches": the prefix cache and scratch space. "sessions": what idle sessions have computed, too; they compute
        their next prompt from its begin. The text stays the same, bit for bit. Scratch that a pass uses is given back
        when it ends, and not counted.
        """
        return self._native.trim(_options.choice(level, "level", _options.TRIM_LEVELS))

    def set_threads(self, threads: int) -> None:
        """Computes with `threads` threads (0: the CPUs that this process may use) from the next pass on; the text stays
        the same. Any thread."""
        self._native.set_threads(_options.integer(threads, "threads", 0, 1024))
        self._info = ModelInfo(**self._native.info())

    def memory(self) -> Memory:
        """What the model takes now. Any thread."""
        return Memory(**self._native.memory())

    def set_weights(self, tensors: Mapping[str, Any]) -> None:
        """Replaces weights in place, as a trainer hands them over: all or nothing.

        tensors: Hugging Face's name -> numpy array, torch tensor, or anything with __array__ or __dlpack__, in float32,
        float16 or bfloat16; contiguous ones in this machine's memory are not copied. Tensors that are packed together
        (q, k, v; gate and up of all experts) come together, unless the model was opened with keep_file. What sessions
        had computed is forgotten. Status.BUSY while anything generates; waits for scoring.
        """
        self._native.set_weights([tensor_row(name, tensor) for name, tensor in tensors.items()])

    def save_packed(
        self, path: str | os.PathLike[str], progress: Callable[[float], bool | None] | None = None
    ) -> None:
        """Writes the model as it lies in memory, weights that were replaced as well, to a file that stands alone:
        Model(path) opens it in milliseconds and gives bit for bit the same numbers; processes that do so share the
        memory. For the native backend, and releases with the same layouts. Atomic. Any thread; others may generate.

        progress    called on this thread with 0..1; False cancels (Error with Status.CANCELLED)
        """
        if progress is not None:
            _options.callback(progress, "progress")
        self._native.save_packed(_options.path(path, "path"), progress)

    def tune(self, path: str | os.PathLike[str], progress: Callable[[float], bool | None] | None = None) -> None:
        """Measures each backend on this model's shapes and writes what Model(tuning_file=path, exact=False) reads. Some
        seconds a shape; keep the machine idle meanwhile.

        progress    called on this thread with 0..1; False cancels (Error with Status.CANCELLED)
        """
        if progress is not None:
            _options.callback(progress, "progress")
        self._native.tune(_options.path(path, "path"), progress)

    def parse_reply(self, text: str, *, in_thought: bool = False) -> Reply:
        """Splits a text that was generated elsewhere, or kept, as a stream of this model would: thought, answer and
        tool calls. in_thought: the prompt had opened the thought already."""
        flags = _options.IN_THOUGHT if in_thought else 0
        return reply_of(self._native.parse_reply(_options.utf8(text, "text"), flags))

    @takes(GenerateOptions)
    def render(self, prompt: Prompt, **options: Unpack[GenerateOptions]) -> str:
        """The prompt as the model will read it: generate()'s arguments put through the chat template."""
        keywords = _openai.translated(options)
        native_options = _keywords.native_options(keywords)
        native = _options.native_prompt(prompt, keywords.get("system"), keywords.get("tools"))
        return self._native.render(native, native_options).decode("utf-8", "replace")

    def session(self) -> Session:
        """A new session. It keeps the weights alive."""
        return Session(self._native.session(), self._info)

    def restore(self, path: str | os.PathLike[str]) -> Session:
        """The session that Session.save() wrote: of this model, with the same cache types. It answers bit for bit as
        the saved one would."""
        return Session(self._native.restore(_options.path(path, "path")), self._info)

    def loads(self, data: bytes | bytearray | memoryview) -> Session:
        """The session that Session.dumps() returned."""
        return Session(self._native.restore_memory(data), self._info)

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

    def __init__(self, native: _pensee.Session, info: ModelInfo) -> None:
        self._native = native
        self._info = info

    def cancel(self) -> None:
        """Stops what the session generates, within one token or one chunk of the prompt. Any thread."""
        self._native.cancel()

    def end_thought(self) -> None:
        """Closes the thought of what the session generates; the answer follows. Any thread."""
        self._native.end_thought()

    @property
    def tokens(self) -> list[int]:
        """The tokens that the session has computed."""
        return self._native.tokens()

    def fork(self) -> Session:
        """A session of its own that knows what this one knows. Cheap: what was computed is shared."""
        return Session(self._native.fork(), self._info)

    def rewind(self, tokens: int) -> None:
        """Forgets all but the first `tokens` tokens."""
        self._native.rewind(_options.integer(tokens, "tokens", 0, _options.INT64_MAX))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes what was computed to a file, atomically; Model.restore() reads it."""
        self._native.save(_options.path(path, "path"))

    def dumps(self) -> bytes:
        """save() into memory; Model.loads() reads it."""
        return self._native.save_memory()

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


def _experts_to_replay(
    expert_ids: Routing | npt.NDArray[np.integer[Any]], shape: tuple[int, int, int]
) -> npt.NDArray[np.int32]:
    import numpy

    given = numpy.asarray(expert_ids.expert_ids if isinstance(expert_ids, Routing) else expert_ids)
    if given.dtype.kind not in "iu":
        raise TypeError(f"expert_ids: expected integers, not {given.dtype}")
    if given.shape[1:] != shape[1:] or len(given) > shape[0]:
        raise BadArgument(f"expert_ids: its shape {list(given.shape)} is not that of the ids, {list(shape)}")
    out = numpy.full(shape, -1, dtype=numpy.int32)
    out[: len(given)] = given
    return out


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
        return _pensee.Model.open(_options.path(source, "path"), options)
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
