"""What the tests of examples/r1_zero share: the example's modules on the path, and small models of its shapes."""

from __future__ import annotations

import pathlib
import random
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "examples" / "r1_zero"))

SMALL = dict(hidden_size=64, num_hidden_layers=3, intermediate_size=96, n_routed_experts=8, moe_intermediate_size=32,
             num_attention_heads=2, q_lora_rank=32, kv_lora_rank=32)


def letters(rng: random.Random) -> str:
    """A document that a small model learns in seconds: the alphabet from somewhere on."""
    first, count = rng.randrange(26), rng.randint(4, 20)
    text = " ".join(chr(97 + (first + i) % 26) for i in range(count))
    return f"<|user|>From {text[0]}, {count}<|assistant|><think>\n{count} letters\n</think>\n\n{text}<|end|>"


@pytest.fixture
def mixture():
    """The mixture in small, random, its router biased so that the bias shows."""
    torch = pytest.importorskip("torch")
    import model

    torch.manual_seed(5)
    made = model.DeepseekV3(model.Config(**SMALL)).eval()
    for router in made.routers():
        router.e_score_correction_bias.normal_(0, 0.2)
    return made


@pytest.fixture
def dense():
    torch = pytest.importorskip("torch")
    import student

    torch.manual_seed(6)
    made = student.Qwen2(student.Config(hidden_size=64, num_hidden_layers=2, intermediate_size=96,
                                        num_attention_heads=4, num_key_value_heads=2)).eval()
    for name, weight in made.named_parameters():
        if name.endswith(".bias"):
            torch.nn.init.normal_(weight, std=0.2)
    return made
