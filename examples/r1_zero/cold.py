"""Pretraining and the cold start (DeepSeek-R1, section 2.3.1): a few careful solutions, so that RL begins from thoughts
that read well instead of from whatever the base model mixes."""

from __future__ import annotations

import argparse
import functools
import random
from pathlib import Path

import documents
import model as architecture
import pretrain
import ranks
import student
import torch


class Few:
    """The same `count` documents again and again."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed

    def __call__(self, rng: random.Random) -> str:
        own = random.Random(f"cold {self.seed} {rng.randrange(self.count)}")
        return documents.careful(documents.problem(own), own)


def pretrain_base(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    ranks.start(args.device)
    torch.manual_seed(args.seed)
    settings = pretrain.settings_of(args)
    model = student.Qwen2(student.Config()) if args.dense else architecture.DeepseekV3(architecture.Config())
    source = functools.partial(documents.with_careful, share=args.careful)
    print(pretrain.fit(model, source, settings, args.out, "base"))
    ranks.stop()


def cold_start(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    ranks.start(args.device)
    torch.manual_seed(args.seed)
    model = pretrain.load_model(args.start, args.device)
    source = Few(args.documents, args.seed)
    print(pretrain.fit(model, source, pretrain.settings_of(args), args.out, "cold", replies_only=True))
    ranks.stop()


def mixed(args: argparse.Namespace) -> None:
    """Sizes apart (documents.apart), so that no size is a sign of another."""
    args.out.mkdir(parents=True, exist_ok=True)
    ranks.start(args.device)
    torch.manual_seed(args.seed)
    model = pretrain.load_model(args.start, args.device)
    print(pretrain.fit(model, documents.apart, pretrain.settings_of(args), args.out, "mixed", replies_only=True))
    ranks.stop()


def add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True)
    pretrain.add_settings(parser)


def add_base_arguments(parser: argparse.ArgumentParser) -> None:
    add_out(parser)
    parser.add_argument("--dense", action="store_true", help="the student's Qwen2 architecture")
    parser.add_argument("--careful", type=float, default=0.0, help="share of careful documents beside the mixed ones")


def add_mixed_arguments(parser: argparse.ArgumentParser) -> None:
    add_out(parser)
    parser.add_argument("--from", dest="start", type=Path, required=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_mixed_arguments(parser)
    parser.add_argument("--documents", type=int, default=5000)
