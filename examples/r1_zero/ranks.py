"""What processes under torchrun share: prompts by turns, gradients and counts by sum. Alone, nothing happens."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist


def start(device: str) -> None:
    """Joins the others if torchrun started this process. gloo on the CPU, nccl between GPUs."""
    if "RANK" not in os.environ or dist.is_initialized():
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if device == "cuda" else "gloo")


def stop() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def cores() -> int:
    """Of this machine, for this process."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if dist.is_initialized() else 1
    return max(1, len(os.sched_getaffinity(0)) // local)


def add(tensor: torch.Tensor) -> torch.Tensor:
    """The sum over all ranks, in place."""
    if count() > 1:
        dist.all_reduce(tensor)
    return tensor


def add_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    if count() == 1:
        return
    parameters = [p for p in parameters if p.requires_grad]
    for p in parameters:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    flat = add(torch.cat([p.grad.reshape(-1) for p in parameters]))
    at = 0
    for p in parameters:
        p.grad.copy_(flat[at : at + p.numel()].view_as(p))
        at += p.numel()


def gather(thing: Any) -> list[Any]:
    """What every rank has, in their order."""
    if count() == 1:
        return [thing]
    things: list[Any] = [None] * count()
    dist.all_gather_object(things, thing)
    return things


def agree(value: Any) -> Any:
    """Rank 0's value: a decision by the clock must be the same everywhere."""
    if count() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]
