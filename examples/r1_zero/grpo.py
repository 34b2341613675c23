"""GRPO, the reinforcement learning of DeepSeek-R1 (arXiv 2501.12948, section 2.2; DeepSeekMath, section 4.1).

A prompt's G replies are a group; a reply's advantage is how many standard deviations its reward lies above the group's
mean. The objective, to be made large, is the mean over replies of the mean over the reply's tokens of

    min(ratio * A, clip(ratio, 1 - eps, 1 + eps) * A) - beta * KL(policy || reference)

where ratio = policy / policy that sampled, and the KL divergence is estimated by k3 = ref/policy - log(ref/policy) - 1.
The policy that sampled is the engine: its log-probabilities came with the replies. The experts that it chose are
replayed, so that a token near the border between two experts is not a different policy here.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import ranks
import torch
from rollouts import Sample


@dataclasses.dataclass
class Settings:
    clip: float = 0.2
    kl: float = 0.001
    lr: float = 1e-4
    warmup: int = 5
    weight_decay: float = 0.0
    max_norm: float = 1.0
    minibatches: int = 2
    """Optimizer steps for each batch of rollouts."""
    tokens: int = 1 << 14
    """Of a forward pass, padding included."""
    replay: bool = True
    balance: float = 0.0
    """Speed of the router's bias; 0: it stays."""
    mtp: float = 0.1
    """Weight of the prediction layer's own loss; no other weight feels it. 0: it stays as it is."""


def advantages(rewards: torch.Tensor) -> torch.Tensor:
    """rewards [groups, G] -> the same shape; a group of equal rewards teaches nothing."""
    centred = rewards - rewards.mean(1, keepdim=True)
    deviation = centred.square().mean(1, keepdim=True).sqrt()
    return torch.where(deviation > 1e-6, centred / deviation.clamp_min(1e-6), torch.zeros_like(centred))


def k3(policy: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Estimates KL(policy || reference) at tokens drawn from the policy: no bias, never negative (Schulman 2020)."""
    difference = reference - policy
    return difference.exp() - difference - 1


def objective(
    policy: torch.Tensor, old: torch.Tensor, advantage: torch.Tensor, clip: float, kl: torch.Tensor | float
) -> torch.Tensor:
    """Of each token, from log-probabilities; `kl` is its divergence times beta."""
    ratio = (policy - old).exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage) - kl


# ---- batches


@dataclasses.dataclass
class Row:
    """A reply with its prompt, as the trainer sees it."""

    ids: np.ndarray
    """Prompt, reply, and the end token where the model put it."""
    first: int
    """Where the reply begins."""
    old: np.ndarray
    """The engine's log-probabilities from `first` on; nan for the end token, which the engine does not report."""
    experts: np.ndarray | None
    advantage: float = 0.0


def row_of(prompt: Sequence[int], sample: Sample, end: int) -> Row:
    tail = [end] if sample.ended else []
    ids = np.concatenate([np.asarray(prompt, np.int64), sample.ids.astype(np.int64), np.asarray(tail, np.int64)])
    old = np.concatenate([sample.logprobs, np.full(len(tail), np.nan, np.float32)])
    experts = None if sample.experts is None else sample.experts[: len(ids) - 1]
    return Row(ids, len(prompt), old, experts)


@dataclasses.dataclass
class Batch:
    """Rows of about one length, padded on the right. The last three: [rows, length - 1], as column j tells id j + 1."""

    ids: torch.Tensor
    experts: torch.Tensor | None
    """[rows, length - 1, layers, k]"""
    old: torch.Tensor
    advantage: torch.Tensor
    weight: torch.Tensor
    """1 / tokens of the reply where the reply is, else 0."""

    @property
    def mask(self) -> torch.Tensor:
        return self.weight > 0


def pad(rows: Sequence[Row], device: str, multiple: int = 1) -> Batch:
    length = -(-(max(len(row.ids) for row in rows) - 1) // multiple) * multiple + 1
    ids = np.zeros((len(rows), length), np.int64)
    old = np.zeros((len(rows), length - 1), np.float32)
    weight, advantage = np.zeros_like(old), np.zeros_like(old)
    first = rows[0].experts
    experts = None if first is None else np.zeros((len(rows), length - 1, *first.shape[1:]), np.int64)
    if experts is not None:  # padding meets different experts, as a router would have it
        experts[...] = np.arange(experts.shape[-1])
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = row.ids
        reply = slice(row.first - 1, len(row.ids) - 1)
        old[i, reply] = row.old
        weight[i, reply] = 1 / len(row.old)
        advantage[i, reply] = row.advantage
        if experts is not None:
            experts[i, : len(row.experts)] = row.experts
    arrays = (ids, experts, old, advantage, weight)
    return Batch(*(None if a is None else torch.from_numpy(a).to(device) for a in arrays))


def packed(rows: Sequence[Row], tokens: int) -> Iterator[list[Row]]:
    """Rows of about one length together, at most `tokens` with their padding."""
    group: list[Row] = []
    for row in sorted(rows, key=lambda row: len(row.ids), reverse=True):
        if group and len(group[0].ids) * (len(group) + 1) > tokens:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


# ---- the model's side


def logprobs(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """logits [rows, T, vocab] of what follows ids [rows, T + 1]'s first T -> [rows, T]"""
    logits = logits.float()
    return logits.gather(-1, ids[:, 1:, None]).squeeze(-1) - logits.logsumexp(-1)


def autocast(device: str, mixed: bool) -> contextlib.AbstractContextManager[object]:
    return torch.autocast(device, torch.bfloat16) if mixed else contextlib.nullcontext()


class Trainer:
    """Policy, reference and optimizer. `mixed`: bfloat16 where autocast thinks it harmless."""

    def __init__(self, model: torch.nn.Module, reference: torch.nn.Module | None, settings: Settings, device: str,
                 mixed: bool = False) -> None:  # fmt: skip
        self.model, self.reference, self.settings, self.device, self.mixed = model, reference, settings, device, mixed
        layers = getattr(getattr(model, "c", None), "num_nextn_predict_layers", 0)
        prefix = f"model.layers.{model.c.num_hidden_layers}." if layers else None
        named = list(model.named_parameters())
        self.ahead = [p for name, p in named if prefix and name.startswith(prefix)] if settings.mtp > 0 else []
        self.policy = [p for name, p in named if not (prefix and name.startswith(prefix))]
        self.optimizer = torch.optim.AdamW(
            [{"params": self.policy}, {"params": self.ahead}] if self.ahead else self.policy,
            lr=settings.lr, betas=(0.9, 0.95), eps=1e-8, weight_decay=settings.weight_decay,
        )  # fmt: skip
        self.updates = 0

    def state(self) -> dict[str, object]:
        reference = None if self.reference is None else self.reference.state_dict()
        return {"model": self.model.state_dict(), "reference": reference, "optimizer": self.optimizer.state_dict(),
                "updates": self.updates}  # fmt: skip

    def load(self, state: dict[str, object]) -> None:
        self.model.load_state_dict(state["model"])
        if self.reference is not None and state["reference"] is not None:
            self.reference.load_state_dict(state["reference"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.updates = state["updates"]

    def backward(self, batch: Batch, share: float, sums: torch.Tensor) -> None:
        """Adds the gradient of these rows, each counted `share`, and what is logged to `sums`."""
        s, ids = self.settings, batch.ids
        routing = batch.experts if s.replay else None
        old_policy = batch.old
        with autocast(self.device, self.mixed):
            kwargs = {"mtp": True} if self.ahead else {}
            out = self.model(ids[:, :-1], routing=routing, **kwargs)
            if self.reference is not None and s.kl > 0:
                with torch.no_grad():
                    reference = logprobs(self.reference(ids[:, :-1], routing=routing).logits, ids)
            else:
                reference = None
        policy = logprobs(out.logits, ids)
        old = torch.where(old_policy.isnan(), policy.detach(), old_policy)
        # Outside of replies nothing counts, and nothing may overflow.
        old = torch.where(batch.mask, old, policy.detach())
        divergence = torch.zeros_like(policy) if reference is None else k3(policy, reference)
        gain = objective(policy, old, batch.advantage, s.clip, s.kl * divergence)
        loss = -(gain * batch.weight).sum() * share
        if self.ahead:
            known = batch.mask[:, 1:]  # column j tells id j + 2
            ahead = logprobs(out.mtp_logits[:, :-1], ids[:, 1:])
            miss = -(ahead * known).sum() * share / max(1.0, float(batch.mask.sum()) / len(ids))
            for p, gradient in zip(self.ahead, torch.autograd.grad(s.mtp * miss, self.ahead, retain_graph=True)):
                p.grad = gradient if p.grad is None else p.grad + gradient
        for p, gradient in zip(self.policy, torch.autograd.grad(loss, self.policy, allow_unused=True)):
            if gradient is not None:
                p.grad = gradient if p.grad is None else p.grad + gradient
        with torch.no_grad():
            ratio = (policy - old).exp()
            clipped = ((ratio - 1).abs() > s.clip) & ((ratio > 1) == (batch.advantage > 0)) & batch.mask
            hits = batch.mask[:, :0]
            if self.ahead:
                hits = (out.mtp_logits[:, :-1].argmax(-1) == ids[:, 2:]) & known
            sums += torch.stack([
                batch.mask.sum(), (divergence * batch.mask).sum(), clipped.sum(), -(policy * batch.mask).sum(),
                ((ratio - 1).abs() * batch.mask).sum(), hits.sum(),
            ]).double()  # fmt: skip

    def step(self, rows: Sequence[Sequence[Row]], scale: float) -> dict[str, float]:
        """Learns from `rows`, already dealt out to minibatches (all ranks to as many), one optimizer step for each.
        scale: of the learning rate."""
        s = self.settings
        sums = torch.zeros(6, dtype=torch.float64, device=self.device)
        norms = []
        self.model.train()
        for minibatch in rows:
            total = ranks.add(torch.tensor([float(len(minibatch))], device=self.device)).item()
            if s.kl == 0 and not self.ahead:  # what has no advantage has no gradient
                minibatch = [row for row in minibatch if row.advantage != 0]
            for group in packed(minibatch, s.tokens):
                batch = pad(group, self.device, 32 if self.device == "cuda" else 8)
                self.backward(batch, 1 / total, sums)
            ranks.add_gradients([*self.policy, *self.ahead])
            self.updates += 1
            for group in self.optimizer.param_groups:
                group["lr"] = s.lr * scale * min(1.0, self.updates / max(1, s.warmup * s.minibatches))
            norms.append(torch.nn.utils.clip_grad_norm_(self.policy, s.max_norm))
            if self.ahead:
                torch.nn.utils.clip_grad_norm_(self.ahead, s.max_norm)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        tokens, divergence, clipped, surprise, shift, hits = ranks.add(sums).tolist()
        tokens = max(tokens, 1)
        told = {
            "kl": divergence / tokens, "clipped": clipped / tokens, "entropy": surprise / tokens,
            "shift": shift / tokens, "norm": float(torch.stack(norms).mean()) if norms else 0.0,
            "lr": self.optimizer.param_groups[0]["lr"],
        }  # fmt: skip
        return told | ({"mtp": hits / tokens} if self.ahead else {})

    @torch.no_grad()
    def parity(self, model: torch.nn.Module, rows: Sequence[Row]) -> dict[str, float]:
        """How far the engine's numbers lie from those in float32 of the model that it sampled with: the largest
        difference of a log-probability with the engine's experts replayed and without, and how often the router here
        chooses others."""
        told = {"parity": 0.0, "parity_free": 0.0, "rerouted": 0.0}
        different = positions = 0
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        for group in packed(rows, self.settings.tokens):
            batch = pad(group, self.device)
            known = batch.mask & ~batch.old.isnan()
            for name, routing in (("parity", batch.experts), ("parity_free", None)):
                out = model(batch.ids[:, :-1], routing=routing)
                gap = (logprobs(out.logits, batch.ids) - batch.old).abs()[known]
                told[name] = max(told[name], gap.max().item() if len(gap) else 0.0)
            if batch.experts is None:
                continue
            mine = out.routing[:, :, : batch.experts.shape[2]].sort(-1).values
            same = (mine == batch.experts.sort(-1).values).all(-1)[known]
            different, positions = different + (~same).sum().item(), positions + same.numel()
        torch.set_float32_matmul_precision(precision)
        told["rerouted"] = different / max(positions, 1)
        return told

    def balance(self, load: torch.Tensor) -> None:
        """load [layers, experts]: how often each was chosen. The router's bias follows (DeepSeek-V3, section 2.1.2)."""
        if self.settings.balance > 0:
            from model import balance

            balance(self.model, load.to(self.device), self.settings.balance)
