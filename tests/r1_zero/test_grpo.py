"""GRPO's formulas against numbers worked out by hand, and its gradient against one reply after another."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import grpo  # noqa: E402
import rl  # noqa: E402
from problem import Problem  # noqa: E402
from rollouts import Sample  # noqa: E402


def test_advantages_count_deviations_from_the_mean_of_the_group() -> None:
    rewards = torch.tensor([[1.0, 0, 0, 1], [1, 0, 0, 0], [1.1, 1.1, 1.1, 1.1], [0.1, 1.1, 0, 0]], dtype=torch.float64)
    third = 1 / math.sqrt(3)
    deviation = math.sqrt((0.2**2 + 0.8**2 + 2 * 0.3**2) / 4)
    expected = [[1, -1, -1, 1], [3 * third, -third, -third, -third], [0, 0, 0, 0],
                [-0.2 / deviation, 0.8 / deviation, -0.3 / deviation, -0.3 / deviation]]  # fmt: skip
    torch.testing.assert_close(grpo.advantages(rewards), torch.tensor(expected, dtype=torch.float64))


def test_k3_is_never_negative_and_its_mean_is_the_divergence() -> None:
    policy = torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).log_softmax(0)
    reference = torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).log_softmax(0)
    each = grpo.k3(policy, reference)
    assert (each >= 0).all()
    exact = torch.nn.functional.kl_div(reference, policy, reduction="sum", log_target=True)
    torch.testing.assert_close((policy.exp() * each).sum(), exact)
    half = grpo.k3(torch.tensor(0.5).log(), torch.tensor(0.25).log())
    assert half.item() == pytest.approx(0.5 + math.log(2) - 1, abs=1e-7)


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [(1.5, 1, 1.2), (1.5, -1, -1.5), (0.5, 1, 0.5), (0.5, -1, -0.8), (1.1, 2, 2.2), (1.0, -3, -3.0)],
)
def test_objective_clips_what_would_gain_from_going_further(ratio: float, advantage: float, expected: float) -> None:
    old = torch.tensor(-2.0)
    gain = grpo.objective(old + math.log(ratio), old, torch.tensor(float(advantage)), 0.2, 0.0)
    assert gain.item() == pytest.approx(expected, abs=1e-6)
    assert grpo.objective(old, old, torch.tensor(1.0), 0.2, 0.25).item() == pytest.approx(0.75)


def rows(vocab: int, layers: int) -> list[grpo.Row]:
    rng = np.random.default_rng(4)
    made = []
    for length, ended in ((9, True), (3, True), (14, False), (1, True)):
        sample = Sample(rng.integers(6, vocab, length), rng.normal(-3, 0.2, length).astype(np.float32),
                        rng.integers(0, 8, (5 + length, layers, 2)), "", "", ended, 0)  # fmt: skip
        row = grpo.row_of([2, 7, 8, 3, 4], sample, 1)
        row.advantage = float(rng.normal())
        made.append(row)
    return made


def test_gradient_is_that_of_replies_taken_one_by_one(mixture) -> None:
    """Padding, packing and minibatches leave the objective what the paper writes: a mean over replies of means over
    tokens. The end token, whose log-probability the engine does not report, has ratio 1."""
    import copy

    reference = copy.deepcopy(mixture)
    with torch.no_grad():
        for weight in reference.parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3))
    batch = rows(1024, mixture.c.num_hidden_layers - 1)
    total = 0.0
    for row in batch:
        ids, experts = torch.from_numpy(row.ids)[None], torch.from_numpy(row.experts.astype(np.int64))[None]
        probabilities = mixture(ids[:, :-1], routing=experts).logits.softmax(-1)
        with torch.no_grad():
            theirs = reference(ids[:, :-1], routing=experts).logits.softmax(-1)
        gain = 0.0
        for k, token in enumerate(row.ids[row.first :]):
            at = row.first - 1 + k
            p, q = probabilities[0, at, token], theirs[0, at, token]
            ratio = p / p.detach() if np.isnan(row.old[k]) else p / math.exp(row.old[k])
            gain = gain + torch.min(ratio * row.advantage, ratio.clamp(0.8, 1.2) * row.advantage)
            gain = gain - 0.05 * (q / p - torch.log(q / p) - 1)
        total = total + gain / len(row.old) / len(batch)
    (-total).backward()
    expected = {name: weight.grad.clone() for name, weight in mixture.named_parameters() if weight.grad is not None}
    mixture.zero_grad()

    trainer = grpo.Trainer(mixture, reference, grpo.Settings(kl=0.05, mtp=0.0, tokens=32), "cpu")
    sums = torch.zeros(6, dtype=torch.float64)
    for group in grpo.packed(batch, 32):
        trainer.backward(grpo.pad(group, "cpu", 8), 1 / len(batch), sums)
    assert sums[0] == sum(len(row.old) for row in batch)
    found = {name: weight.grad for name, weight in mixture.named_parameters() if weight.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=2e-5, rtol=2e-3, msg=name)


def test_prediction_layer_learns_alone(mixture) -> None:
    """Its loss moves its own weights only: the policy's gradient is the same with it and without."""
    gradients = []
    for weight in (0.0, 1.0):
        trainer = grpo.Trainer(mixture, None, grpo.Settings(kl=0.0, mtp=weight), "cpu")
        for group in grpo.packed(rows(1024, mixture.c.num_hidden_layers - 1), 1000):
            trainer.backward(grpo.pad(group, "cpu"), 0.25, torch.zeros(6, dtype=torch.float64))
        gradients.append([p.grad.clone() for p in trainer.policy if p.grad is not None])
        assert (weight > 0) == any(p.grad is not None and p.grad.abs().max() > 0 for p in trainer.ahead)
        mixture.zero_grad()
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("ids", "answer", "ended", "expected"),
    [
        ([20, 5, 30], "7", True, (1.1, True)),
        ([20, 5, 30], "8", True, (0.1, False)),
        ([20, 5, 30], "7", False, (0.0, False)),  # cut
        ([20, 30], "7", True, (0.0, False)),  # the thought was never closed
        ([20, 5, 5, 30], "7", True, (0.0, False)),  # closed twice
        ([20, 5, 2, 30], "7", True, (0.0, False)),  # goes on as the user
        ([20, 5], " \n", True, (0.0, False)),  # says nothing
    ],
)
def test_reward_is_a_right_answer_in_the_form(ids, answer, ended, expected) -> None:
    sample = Sample(np.array(ids), np.zeros(len(ids)), None, "", answer, ended, 1)
    reward, right = rl.reward(Problem("sums", 1, "What is 3 + 4?", "7", ""), sample)
    assert (pytest.approx(reward), right) == expected


def test_curriculum_asks_for_what_is_neither_known_nor_hopeless() -> None:
    curriculum = rl.Curriculum(("sums", "order"), (1, 2), adaptive=True)
    for _ in range(200):
        curriculum.learn([("sums 1", 1.0), ("sums 2", 0.5), ("order 1", 0.0), ("order 2", 0.9)])
    drawn = [curriculum.draw(1, 0, i) for i in range(600)]
    count = {kind: sum(f"{p.task} {p.level}" == kind for p in drawn) for kind in curriculum.accuracy}
    assert count["sums 2"] > count["order 2"] > 2 * max(count["sums 1"], count["order 1"]) > 0
