"""The mean of two models' weights ("model soups", Wortsman et al., arXiv 2203.05482), where one was trained on from the
other: it keeps most of what each is good at.

    python train.py average --out runs/average --from runs/r1/rl.pt --and runs/mixed/mixed.pt --share 0.5
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pretrain
import torch


def average(args: argparse.Namespace) -> None:
    first, second = pretrain.load_model(args.start), pretrain.load_model(args.other)
    weights = second.state_dict()
    if {name: w.shape for name, w in first.state_dict().items()} != {name: w.shape for name, w in weights.items()}:
        raise SystemExit(f"{args.start} and {args.other} are models of different shapes")
    mean = {name: torch.lerp(weight, weights[name], args.share) for name, weight in first.state_dict().items()}
    first.load_state_dict(mean)
    args.out.mkdir(parents=True, exist_ok=True)
    pretrain.save_model(first, args.out / "average.pt", stage="average", share=args.share)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--from", dest="start", type=Path, required=True)
    parser.add_argument("--and", dest="other", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.5, help="of the second model")
