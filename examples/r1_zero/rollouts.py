"""Rollouts: many samples of many prompts, by worker processes that hold a pensee.Model each.

A worker computes with few threads and shares its passes among all the sequences it was given, so that the cores are
busy without waiting for one another, and sampling runs on all of them. Weights lie in shared memory: the trainer writes
them there, the workers hand them to set_weights(). What is sampled depends on the seeds and the weights alone, not on
the number of workers: the engine gives the same numbers whatever else is in its batch.

Imports neither torch nor anything else that starts slowly: every worker imports this file.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import connection, shared_memory
from typing import Any, NamedTuple, Union

import numpy as np

Prompt = Union[str, Sequence[int]]  # a question for the chat template, or token ids


class Sample(NamedTuple):
    """One reply to a prompt of ids."""

    ids: np.ndarray
    """int32, without the end token."""
    logprobs: np.ndarray
    """float32, one for each id."""
    experts: np.ndarray | None
    """int16 [positions, layers with experts, experts a token]: of the prompt, then of the reply. The last id of a reply
    that was cut has no row."""
    thought: str
    answer: str
    ended: bool
    """The model ended it; else it was cut at max_tokens."""
    thought_tokens: int


class Job(NamedTuple):
    """What is sampled once: `n` replies to a prompt."""

    prompt: Prompt
    seed: int
    n: int = 1
    options: Mapping[str, Any] = {}
    vote: bool = False
    """One sample comes: the reply whose answer most of the n agree on."""


def seed_of(*parts: int | str) -> int:
    """A seed in 1..2^63 from parts such as (run's seed, step, prompt)."""
    import hashlib

    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1 | 1


# ---- in the worker


class _Worker:
    def __init__(self, pipe: connection.Connection, path: str, model_options: dict[str, Any], in_flight: int) -> None:
        import pensee

        self.pipe = pipe
        self.lock = threading.Lock()
        self.model = pensee.Model(path, **model_options)
        self.pool = ThreadPoolExecutor(in_flight)
        self.memory: shared_memory.SharedMemory | None = None

    def send(self, *message: Any) -> None:
        with self.lock:
            self.pipe.send(message)

    def weights(self, name: str, rows: list[tuple[str, tuple[int, ...], int]]) -> None:
        if self.memory is None or self.memory.name != name:
            self.memory = _attach(name)
        buffer = self.memory.buf
        self.model.set_weights({
            key: np.ndarray(shape, np.float32, buffer, offset) for key, shape, offset in rows
        })  # fmt: skip
        self.send("weights")

    def job(self, index: int, job: Job) -> None:
        try:
            if job.vote:
                vote = self.model.vote(job.prompt, job.n, all=True, seed=job.seed, **job.options)
                replies = (vote.reply or vote.replies[0],)
            else:
                # trace_experts: such a reply comes whole from the library, not event by event.
                replies = self.model.ask(job.prompt, n=job.n, seed=job.seed, trace_experts=True, **job.options).samples
            self.send("reply", index, [_sample(reply) for reply in replies])
        except Exception as error:  # told where the job came from
            self.send("error", index, f"{type(error).__name__}: {error}")

    def run(self) -> None:
        self.send("ready")
        while True:
            kind, *rest = self.pipe.recv()
            if kind == "stop":
                return
            if kind == "weights":
                self.weights(*rest)
            else:
                self.pool.submit(self.job, *rest)


def _sample(reply: Any) -> Sample:
    routing = reply.routing
    return Sample(
        ids=np.asarray(reply.token_ids, np.int32),
        logprobs=np.asarray(reply.logprobs, np.float32),
        experts=None if routing is None else routing.expert_ids.astype(np.int16),
        thought=reply.thought,
        answer=reply.answer,
        ended=reply.finish_reason == "stop",
        thought_tokens=reply.usage.thought_tokens,
    )


def _attach(name: str) -> shared_memory.SharedMemory:
    """Opened without the resource tracker, which would unlink it when this process ends (bpo-38119)."""
    from multiprocessing import resource_tracker

    register, resource_tracker.register = resource_tracker.register, lambda *_: None
    try:
        return shared_memory.SharedMemory(name)
    finally:
        resource_tracker.register = register


def _work(pipe: connection.Connection, path: str, model_options: dict[str, Any], in_flight: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the trainer's, which closes the pipe
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _Worker(pipe, path, model_options, in_flight).run()
    os._exit(0)  # not waiting for what still generates


# ---- in the trainer


class Rollouts:
    """Worker processes over one model file.

    path       GGUF file or Hugging Face folder: the shape, the tokenizer, and the weights until set_weights()
    workers    processes; 0: as many as there are cores for them
    threads    of each
    in_flight  jobs that a worker has at the same time
    """

    def __init__(self, path: str | os.PathLike[str], workers: int = 0, threads: int = 1, in_flight: int = 16,
                 **model_options: Any) -> None:
        workers = workers or max(1, len(os.sched_getaffinity(0)) // threads)
        options = {"cache_type": "f32", "max_concurrent": 256, "max_waiting": 1 << 20, "prefix_cache_bytes": -1}
        options |= {"threads": threads} | model_options
        context = multiprocessing.get_context("spawn")  # a forked torch or CUDA does not live
        self.in_flight = in_flight
        self.pipes: list[connection.Connection] = []
        self.processes = []
        self.memory: shared_memory.SharedMemory | None = None
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, os.fspath(path), options, in_flight), daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)
        self._gather("ready")

    def __enter__(self) -> Rollouts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for pipe in self.pipes:
            with contextlib.suppress(OSError):
                pipe.send(("stop",))
            pipe.close()
        for process in self.processes:
            process.join(timeout=10)
            if process.is_alive():
                process.kill()
        self.pipes, self.processes = [], []
        if self.memory is not None:
            self.memory.close()
            self.memory.unlink()
            self.memory = None

    def _receive(self, pipe: connection.Connection) -> tuple[Any, ...]:
        try:
            message = pipe.recv()
        except (EOFError, ConnectionResetError):
            raise RuntimeError("a rollout worker has ended; its own message stands above") from None
        if message[0] == "error":
            raise RuntimeError(f"a rollout failed: {message[2]}")
        return message

    def _gather(self, kind: str) -> None:
        for pipe in self.pipes:
            message = self._receive(pipe)
            assert message[0] == kind, message[0]

    def set_weights(self, tensors: Mapping[str, Any]) -> None:
        """Hugging Face's names -> torch tensors or numpy arrays, all of them; returns when every worker uses them."""
        rows, offset = [], 0
        for name, tensor in tensors.items():
            shape = tuple(tensor.shape)
            rows.append((name, shape, offset))
            offset += (int(np.prod(shape)) * 4 + 63) // 64 * 64
        if self.memory is None or self.memory.size < offset:
            if self.memory is not None:
                self.memory.close()
                self.memory.unlink()
            self.memory = shared_memory.SharedMemory(create=True, size=offset)
        for name, shape, at in rows:
            tensor = tensors[name]
            array = tensor.detach().float().cpu().numpy() if hasattr(tensor, "detach") else np.asarray(tensor)
            np.ndarray(shape, np.float32, self.memory.buf, at)[...] = array
        for pipe in self.pipes:
            pipe.send(("weights", self.memory.name, rows))
        self._gather("weights")

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[int, list[Sample]]]:
        """(index of the job, its samples) as they are done."""
        numbered = enumerate(jobs)
        busy = dict.fromkeys(self.pipes, 0)

        def give(pipe: connection.Connection, most: int) -> None:
            while busy[pipe] < most:
                item = next(numbered, None)
                if item is None:
                    return
                pipe.send(("job", *item))
                busy[pipe] += 1

        for most in range(1, self.in_flight + 1):  # dealt out evenly
            for pipe in self.pipes:
                give(pipe, most)
        while any(busy.values()):
            for pipe in connection.wait([pipe for pipe in self.pipes if busy[pipe]]):
                assert isinstance(pipe, connection.Connection)
                _, index, samples = self._receive(pipe)
                busy[pipe] -= 1
                give(pipe, self.in_flight)
                yield index, samples

    def sample(self, jobs: Sequence[Job]) -> list[list[Sample]]:
        """The samples of each job."""
        results: list[list[Sample]] = [[] for _ in jobs]
        for index, samples in self.run(jobs):
            results[index] = samples
        return results
