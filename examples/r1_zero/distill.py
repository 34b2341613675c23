"""Distillation (DeepSeek-R1, section 2.4): a dense student of the Qwen2 architecture learns the R1 model's answers.

    python train.py pretrain --dense --out runs/dense --seconds 3600
    python train.py distill --out runs/student --from runs/r1/rl.pt --into runs/dense/base.pt --collect-seconds 1200 \\
                            --seconds 3600

As in the paper, the student is a base model of its own, pre-trained on the documents of documents.py.
No reinforcement learning and no other data but talk, which the teacher's tasks do not hold.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pretrain
import ranks
import reject
import student
import torch


def distill(args: argparse.Namespace) -> None:
    texts = reject.gather(args, "answers")
    torch.manual_seed(args.seed)
    model = pretrain.load_model(args.into, args.device) if args.into else student.Qwen2(student.Config())
    source = reject.Mixture(texts, reject.talk, args.talk)
    print(pretrain.fit(model, source, pretrain.settings_of(args), args.out, "student"))
    ranks.stop()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    reject.add_collecting(parser)
    parser.add_argument("--into", type=Path, help="the student's base; without it it begins from nothing")
    pretrain.add_settings(parser)
