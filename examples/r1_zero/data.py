"""Batches of generated documents: rows of a fixed length, several documents a row, made by worker processes.

Batch k is a function of (seed, k) alone, so that a run goes on from any step with any number of workers, and ranks of
one run take batches of their own. Documents are packed longest first into the fullest row that has room; what is left
of a row is padding (document 0). Nothing here needs torch.
"""

import bisect
import multiprocessing
import os
import pathlib
import queue
import random
import traceback
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

import tokenizer as tokens

Source = Callable[[random.Random], str]  # a whole document


class Batch(NamedTuple):
    ids: np.ndarray  # [rows, length] uint16
    documents: np.ndarray  # [rows, length] uint8: 1, 2, ... in each row, 0 where padding is
    trained: np.ndarray  # [rows, length] bool: tokens that the loss counts


def reply_start(ids: list[int]) -> int:
    """Where the model's own tokens begin: behind the last "<think>\\n", or the last <|assistant|>."""
    for tag, length in ((tokens.THINK, 2), (tokens.ASSISTANT, 1)):
        if tag in ids:
            return len(ids) - ids[::-1].index(tag) - 1 + length
    return 0


def pack(lengths: list[int], rows: int, length: int) -> list[tuple[int, int] | None]:
    """Row and column of each document, None where none has room; lengths fall."""
    free = [(length, row) for row in range(rows)]  # sorted
    places: list[tuple[int, int] | None] = []
    for needed in lengths:
        at = bisect.bisect_left(free, (needed, -1))
        if at == len(free):
            places.append(None)
            continue
        room, row = free.pop(at)
        places.append((row, length - room))
        bisect.insort(free, (room - needed, row))
    return places


def make_batch(source: Source, tokenizer, rows: int, length: int, rng: random.Random, replies_only: bool) -> Batch:
    wanted, drawn, total = int(0.98 * rows * length), [], 0
    while total < wanted:
        texts = [source(rng) for _ in range(max(1, (wanted - total) // 150))]
        for encoding in tokenizer.encode_batch(texts, add_special_tokens=False):
            if total < wanted and len(encoding.ids) <= length:
                drawn.append(encoding.ids)
                total += len(encoding.ids)
    drawn.sort(key=len, reverse=True)
    batch = Batch(np.zeros((rows, length), np.uint16), np.zeros((rows, length), np.uint8),
                  np.zeros((rows, length), bool))
    count = [0] * rows
    for ids, place in zip(drawn, pack([len(ids) for ids in drawn], rows, length)):
        if place is None:
            continue
        row, column = place
        count[row] += 1
        batch.ids[row, column : column + len(ids)] = ids
        batch.documents[row, column : column + len(ids)] = count[row]
        batch.trained[row, column + (reply_start(ids) if replies_only else 0) : column + len(ids)] = True
    return batch


class Batches:
    """Batches of one run: `for batch in batches.from_step(k)`. workers=0 makes them in this process."""

    def __init__(self, source: Source, rows: int, length: int, seed: str, replies_only: bool = False, workers: int = 0,
                 rank: int = 0, ranks: int = 1, folder: pathlib.Path = tokens.FOLDER):
        self.source, self.rows, self.length, self.seed, self.replies_only = source, rows, length, seed, replies_only
        self.workers, self.rank, self.ranks = workers, rank, ranks
        self.folder = folder
        self.tokenizer = None
        self.processes: list = []

    def make(self, step: int) -> Batch:
        if self.tokenizer is None:
            self.tokenizer = tokens.load(self.folder)
        rng = random.Random(f"{self.seed} {step * self.ranks + self.rank}")
        return make_batch(self.source, self.tokenizer, self.rows, self.length, rng, self.replies_only)

    def from_step(self, first: int) -> Iterator[Batch]:
        if self.workers == 0:
            while True:
                yield self.make(first)
                first += 1
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        fork = multiprocessing.get_context("fork")  # sources need not be picklable; the children touch no torch
        queues = [fork.Queue(maxsize=4) for _ in range(self.workers)]
        for worker, out in enumerate(queues):
            process = fork.Process(target=self._work, args=(out, first + worker), daemon=True)
            process.start()
            self.processes.append(process)
        try:
            while True:
                for out in queues:
                    batch = out.get()
                    if isinstance(batch, str):
                        raise RuntimeError(f"a worker that makes batches failed:\n{batch}")
                    yield batch
        finally:
            self.close()

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
            process.join()
        self.processes.clear()

    def _work(self, out, step: int) -> None:
        parent = os.getppid()
        while True:
            try:
                made = self.make(step)
            except Exception:  # told to the parent, which raises it
                made = traceback.format_exc()
            while os.getppid() == parent:
                try:
                    out.put(made, timeout=5)
                    break
                except queue.Full:
                    continue
            else:
                return
            step += self.workers
