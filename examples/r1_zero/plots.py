"""Plots from the logs that the stages wrote; nothing is drawn that is not in them.

    python train.py plots --base runs/base --zero runs/zero \\
           --rl runs/rl runs/r1 --evaluations evaluations.jsonl --out plots
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import runs

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

INK, BLUE, ORANGE, GREY = "#222222", "#2b6cb0", "#dd6b20", "#a0aec0"


def style() -> None:
    plt.rcParams.update({
        "figure.dpi": 120, "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK,
        "axes.grid": True,
        "axes.axisbelow": True, "grid.color": "#e2e8f0", "legend.frameon": False, "svg.hashsalt": "pensee-mini",
    })  # fmt: skip


def smooth(values: Sequence[float], width: int) -> np.ndarray:
    """Mean over a window that is cut at the ends."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    low, high = np.maximum(0, at - width // 2), np.minimum(len(values), at + width // 2 + 1)
    return (total[high] - total[low]) / (high - low)


def steps_of(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """The RL steps of several runs, one after another."""
    lines, first = [], 0
    for folder in folders:
        own = [line for line in runs.log_of(folder) if "reward" in line or "test" in line]
        lines += [line | {"step": first + line["step"]} for line in own]
        first = max((line["step"] for line in lines), default=0)
    return lines


def save(figure: plt.Figure, out: Path, name: str) -> None:
    figure.tight_layout()
    figure.savefig(out / f"{name}.png", metadata={"Software": None})
    plt.close(figure)


def learning(lines: Sequence[dict[str, Any]], out: Path, name: str, title: str) -> None:
    """Accuracy and length of the thought against steps, as figures 1 and 3 of the R1 paper."""
    trained, tested = [line for line in lines if "reward" in line], [line for line in lines if "test" in line]
    steps, width = [line["step"] for line in trained], max(1, len(trained) // 10)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4))
    for axis, key, label in ((axes[0], "accuracy", "right answers"), (axes[1], "thought", "tokens of thought")):
        values = [line[key] for line in trained]
        axis.plot(steps, values, color=GREY, linewidth=0.7)
        axis.plot(steps, smooth(values, width), color=BLUE, linewidth=1.8, label="in training, temperature 1")
        key = {"accuracy": "test", "thought": "test_thought"}[key]
        if tested:
            axis.plot([line["step"] for line in tested], [line[key] for line in tested], "o-", color=ORANGE,
                      markersize=3, linewidth=1.2, label="on problems apart, temperature 0.6")  # fmt: skip
        axis.set_xlabel("step of RL")
        axis.set_ylabel(label)
    axes[0].set_ylim(0, 1)
    axes[1].set_ylim(0)
    axes[0].legend(loc="lower right")
    figure.suptitle(title)
    save(figure, out, name)


def load(lines: Sequence[dict[str, Any]], out: Path, name: str) -> None:
    """The share of each expert in each layer, in the first steps and in the last."""
    lines = [line for line in lines if "load" in line]
    edge = max(1, len(lines) // 10)
    first, last = (np.mean([line["load"] for line in part], axis=0) for part in (lines[:edge], lines[-edge:]))
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.6), sharey=True)
    most = max(first.max(), last.max())
    for axis, share, title in ((axes[0], first, "first steps"), (axes[1], last, "last steps")):
        picture = axis.imshow(share * 100, cmap="Blues", vmin=0, vmax=most * 100, aspect="auto")
        axis.set_title(title)
        axis.set_xlabel("expert")
        axis.set_xticks(range(share.shape[1]), range(share.shape[1]), fontsize=7)
        axis.set_yticks(range(len(share)), [f"{layer + 1}" for layer in range(len(share))])
        axis.grid(False)
    axes[0].set_ylabel("layer")
    figure.colorbar(picture, ax=axes, label="% of the choices")
    figure.savefig(out / f"{name}.png", metadata={"Software": None}, bbox_inches="tight")
    plt.close(figure)


def pretraining(lines: Sequence[dict[str, Any]], out: Path) -> None:
    """Loss of the next token and of the one after, and how the load of the experts evens out."""
    lines = [line for line in lines if "loss" in line]
    millions = [line["tokens"] / 1e6 for line in lines]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4))
    for key, colour, label in (("loss", BLUE, "next token"), ("mtp_loss", ORANGE, "the one after (MTP)")):
        axes[0].plot(millions, [line[key] for line in lines], color=colour, linewidth=1.4, label=label)
    axes[0].set_ylabel("loss, nats a token")
    axes[0].set_ylim(0, 1.5)
    for key, colour, label in (("load_max", ORANGE, "busiest expert"), ("load_min", BLUE, "idlest expert")):
        axes[1].plot(millions, [line[key] for line in lines], color=colour, linewidth=1.4, label=label)
    axes[1].axhline(1, color=GREY, linewidth=0.8)
    axes[1].set_ylabel("load, mean = 1")
    axes[1].set_ylim(0)
    for axis in axes:
        axis.set_xlabel("million tokens")
        axis.legend()
    figure.suptitle("Pretraining of the base")
    save(figure, out, "base")


def by_task(evaluations: Sequence[dict[str, Any]], names: Sequence[str], out: Path) -> None:
    """Accuracy of the evaluated models by task, and by level."""
    found = {line["name"]: line["by"] | {"all": line["accuracy"]} for line in evaluations if not line.get("vote")}
    names = [name for name in names if name in found] or list(found)
    tasks = sorted({key for by in found.values() for key in by if " " not in key and key != "all"})
    levels = sorted({key.split()[1] for by in found.values() for key in by if " " in key})
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), width_ratios=(len(tasks) + 1, len(levels)), sharey=True)
    shades = plt.get_cmap("viridis")(np.linspace(0.15, 0.85, len(names)))
    for i, (name, colour) in enumerate(zip(names, shades)):
        by = found[name]
        shift = (i - (len(names) - 1) / 2) * 0.8 / len(names)
        cells = [by.get(task, np.nan) for task in [*tasks, "all"]]
        axes[0].bar(np.arange(len(cells)) + shift, np.multiply(cells, 100), 0.8 / len(names), color=colour, label=name)
        means = [np.mean([by[f"{task} {level}"] for task in tasks if f"{task} {level}" in by]) for level in levels]
        axes[1].bar(np.arange(len(levels)) + shift, np.multiply(means, 100), 0.8 / len(names), color=colour)
    axes[0].set_xticks(range(len(tasks) + 1), [*tasks, "all"], rotation=35, ha="right")
    axes[1].set_xticks(range(len(levels)), levels)
    axes[1].set_xlabel("level")
    for axis in axes:
        axis.grid(False, axis="x")
    axes[0].set_ylabel("% right")
    axes[0].set_ylim(0, 100)
    figure.legend(loc="upper center", ncols=len(names), bbox_to_anchor=(0.5, 1.06))
    figure.tight_layout()
    figure.savefig(out / "by_task.png", metadata={"Software": None}, bbox_inches="tight")
    plt.close(figure)


def run(args: argparse.Namespace) -> None:
    style()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.base:
        pretraining(runs.log_of(args.base), args.out)
    for name, folders, title in (("zero", args.zero, "R1-Zero"), ("rl", args.rl, "R1")):
        lines = steps_of(folders or [])
        if lines:
            learning(lines, args.out, f"{name}_learning", title)
            load(lines, args.out, f"{name}_load")
    if args.evaluations:
        lines = [json.loads(line) for line in args.evaluations.read_text().splitlines()]
        by_task([line for line in lines if line.get("stage") == "evaluate"], args.names, args.out)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base", type=Path)
    parser.add_argument("--zero", nargs="*", type=Path, help="folders of runs, in order")
    parser.add_argument("--rl", nargs="*", type=Path)
    parser.add_argument("--evaluations", type=Path, help="what evaluate --log wrote")
    parser.add_argument("--names", nargs="*", default=[], help="of the evaluations to show, in order")
    parser.add_argument("--out", type=Path, required=True)
