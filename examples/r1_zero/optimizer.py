"""Muon for the matrices inside the layers, AdamW for the rest, as one optimizer with one learning rate.

Muon (Jordan et al., 2024) makes the momentum of a matrix orthogonal by a Newton-Schulz iteration before it is applied;
scaled by 0.2 sqrt(larger side) its steps are as large as AdamW's (Liu et al., "Muon is scalable", 2025), so that both
take the same rate. Stacked experts are as many matrices. Matrices of one shape are orthogonalised together.
"""

import collections
import math

import torch
from torch import Tensor, nn


def orthogonalise(stack: Tensor, steps: int = 5) -> Tensor:
    """stack [n, rows, columns]: each matrix with its singular values moved towards 1."""
    x = stack.bfloat16() if stack.is_cuda else stack.clone()
    x /= x.norm(dim=(1, 2), keepdim=True) + 1e-7
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    for _ in range(steps):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x.mT if tall else x).to(stack.dtype)


def is_matrix(name: str, weight: Tensor) -> bool:
    """What Muon may take: not the tables of tokens, and not the router, whose rows are each an expert's own."""
    table = "embed_tokens" in name or "lm_head" in name or name.endswith("mlp.gate.weight")
    return weight.dim() >= 2 and not table


class Optimizer:
    """`kind` is "muon" or "adamw". The rate of a step is `rate` of step(); decay is decoupled from the gradient."""

    def __init__(self, model: nn.Module, kind: str = "muon", weight_decay: float = 0.1, momentum: float = 0.95,
                 betas: tuple[float, float] = (0.9, 0.95)):
        named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
        matrices = [weight for name, weight in named if kind == "muon" and is_matrix(name, weight)]
        taken = {id(weight) for weight in matrices}
        others = [weight for _, weight in named if id(weight) not in taken]
        decayed = [weight for weight in others if weight.dim() > 1]
        plain = [weight for weight in others if weight.dim() == 1]
        groups = [dict(params=decayed, weight_decay=weight_decay), dict(params=plain, weight_decay=0.0)]
        self.adamw = torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=1e-10 if kind == "muon" else 1e-8,
                                       fused=others[0].is_cuda)
        self.parameters = [weight for _, weight in named]
        self.weight_decay, self.momentum = weight_decay, momentum
        self.shapes: dict[tuple, list[Tensor]] = collections.defaultdict(list)
        for weight in matrices:
            self.shapes[tuple(weight.shape[-2:])].append(weight)
        self.moments = {shape: [torch.zeros_like(weight) for weight in group] for shape, group in self.shapes.items()}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for group in self.adamw.param_groups:
            group["lr"] = rate
        self.adamw.step()
        for shape, group in self.shapes.items():
            used = [pair for pair in zip(group, self.moments[shape]) if pair[0].grad is not None]
            if not used:
                continue
            weights, moments = [weight for weight, _ in used], [moment for _, moment in used]
            grads = [weight.grad for weight in weights]
            torch._foreach_lerp_(moments, grads, 1 - self.momentum)
            looked_ahead = torch._foreach_lerp(grads, moments, self.momentum)
            stacks = [update.reshape(-1, *shape) for update in looked_ahead]
            whole = orthogonalise(torch.cat(stacks)).split([len(stack) for stack in stacks])
            updates = [part.view_as(weight) for part, weight in zip(whole, weights)]
            torch._foreach_mul_(weights, 1 - rate * self.weight_decay)
            torch._foreach_add_(weights, updates, alpha=-rate * 0.2 * math.sqrt(max(shape)))

    def zero_grad(self) -> None:
        for weight in self.parameters:
            weight.grad = None

    def clip(self, norm: float) -> Tensor:
        return nn.utils.clip_grad_norm_(self.parameters, norm)

    def state_dict(self) -> dict:
        return {"adamw": self.adamw.state_dict(), "moments": [moment for group in self.moments.values()
                                                              for moment in group]}

    def load_state_dict(self, state: dict) -> None:
        self.adamw.load_state_dict(state["adamw"])
        with torch.no_grad():
            for moment, saved in zip((m for group in self.moments.values() for m in group), state["moments"],
                                     strict=True):
                moment.copy_(saved)


def schedule(step: int, fraction: float, warmup: int = 50, decay: float = 0.8) -> float:
    """Share of the peak rate: up to 1 in `warmup` steps, down to 0 over the last `decay` of a run, `fraction` of which
    is over. A run that ends by the clock does not know how many steps it has."""
    return min(1.0, (step + 1) / max(1, warmup)) * max(0.0, min(1.0, (1.0 - fraction) / decay))
