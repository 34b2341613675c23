"""Batches: what is in them, and that they follow from seed and step alone."""

from __future__ import annotations

import random

import numpy as np
import pytest
from conftest import letters

pytest.importorskip("tokenizers")

import data  # noqa: E402
import tokenizer as tokens  # noqa: E402


def batches(**changes) -> data.Batches:
    return data.Batches(letters, **(dict(rows=6, length=128, seed="s") | changes))


def equal(a: data.Batch, b: data.Batch) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b))


def test_rows_hold_whole_documents_of_the_source_in_any_order() -> None:
    tokenizer = tokens.load()
    rng = random.Random("s 0")
    drawn = {letters(rng) for _ in range(200)}
    batch = batches().make(0)
    count = 0
    for ids, documents in zip(batch.ids, batch.documents):
        for number in range(1, documents.max() + 1):
            text = tokenizer.decode(ids[documents == number].tolist(), skip_special_tokens=False)
            assert text in drawn
            count += 1
    assert count > 12
    assert (batch.documents > 0).mean() > 0.9
    assert (batch.ids[batch.documents == 0] == tokens.PAD).all()


def test_no_place_is_given_twice() -> None:
    rng = random.Random(3)
    lengths = sorted((rng.randint(1, 60) for _ in range(80)), reverse=True)
    used = np.zeros((10, 128), int)
    for length, place in zip(lengths, data.pack(lengths, 10, 128)):
        if place:
            used[place[0], place[1] : place[1] + length] += 1
            assert place[1] + length <= 128
    assert used.max() == 1


def test_a_batch_follows_from_seed_and_step() -> None:
    assert equal(batches().make(4), batches().make(4))
    assert not equal(batches().make(4), batches().make(5))
    assert not equal(batches().make(4), batches(seed="t").make(4))


def test_workers_and_the_step_begun_at_change_nothing() -> None:
    alone = [batches().make(step) for step in range(2, 8)]
    stream = batches(workers=3).from_step(2)
    assert all(equal(next(stream), batch) for batch in alone)
    stream.close()


def test_ranks_take_batches_of_their_own() -> None:
    both = [batches(rank=rank, ranks=2).make(step) for step in range(2) for rank in range(2)]
    assert all(equal(batch, batches().make(i)) for i, batch in enumerate(both))


def test_a_failing_source_is_told_with_its_reason() -> None:
    def fails(rng: random.Random) -> str:
        raise KeyError("no such task")

    with pytest.raises(RuntimeError, match="no such task"):
        next(data.Batches(fails, 2, 64, "s", workers=1).from_step(0))


def test_replies_alone_are_learnt_where_asked() -> None:
    tokenizer = tokens.load()
    batch = batches(replies_only=True).make(0)
    for ids, documents, trained in zip(*batch):
        for number in range(1, documents.max() + 1):
            here = documents == number
            learnt = tokenizer.decode(ids[here & trained].tolist(), skip_special_tokens=False)
            whole = tokenizer.decode(ids[here].tolist(), skip_special_tokens=False)
            assert whole.split("<think>\n")[1] == learnt
