#!/usr/bin/env python3
"""Makes rope_cases.json: inverse frequencies and attention factors as transformers' modeling_rope_utils computes them.

  python3 tests/nn/make_rope.py     (needs torch and transformers)
"""

import json
import pathlib

import transformers
from transformers import PretrainedConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

YARN = {"rope_type": "yarn", "beta_fast": 32, "beta_slow": 1}
LLAMA3 = {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0}
# name, rotated numbers, theta, what stands in rope_parameters
CASES = [
    ("linear", 64, 10000.0, {"rope_type": "linear", "factor": 2.5}),
    ("llama 3.1", 128, 500000.0, LLAMA3 | {"factor": 8.0, "original_max_position_embeddings": 8192}),
    ("llama 3.2", 64, 500000.0, LLAMA3 | {"factor": 32.0, "original_max_position_embeddings": 8192}),
    ("llama 3, odd", 20, 7777.0,
     {"rope_type": "llama3", "low_freq_factor": 1.5, "high_freq_factor": 6.0, "factor": 3.0,
      "original_max_position_embeddings": 100}),
    ("deepseek v2", 64, 10000.0,
     YARN | {"factor": 40.0, "mscale": 0.707, "mscale_all_dim": 0.707, "original_max_position_embeddings": 4096}),
    ("deepseek v3", 64, 10000.0,
     YARN | {"factor": 40.0, "mscale": 1.0, "mscale_all_dim": 1.0, "original_max_position_embeddings": 4096}),
    ("two mscales", 64, 10000.0,
     YARN | {"factor": 16.0, "mscale": 1.3, "mscale_all_dim": 0.4, "original_max_position_embeddings": 2048}),
    ("qwen 2.5", 128, 1000000.0, YARN | {"factor": 4.0, "original_max_position_embeddings": 32768}),
    ("mscale alone", 32, 10000.0, YARN | {"factor": 8.0, "mscale": 0.8, "original_max_position_embeddings": 512}),
    ("attention factor", 32, 10000.0,
     YARN | {"factor": 8.0, "attention_factor": 1.25, "original_max_position_embeddings": 512}),
    ("other ends", 48, 150000.0,
     {"rope_type": "yarn", "beta_fast": 12, "beta_slow": 3, "factor": 32.0,
      "original_max_position_embeddings": 4096}),
    ("not truncated", 64, 150000.0,
     YARN | {"factor": 32.0, "original_max_position_embeddings": 4096, "truncate": False}),
    ("ramp of no length", 8, 1000000.0, YARN | {"factor": 4.0, "original_max_position_embeddings": 6}),
]


def compute(dim, theta, parameters):
    config = PretrainedConfig(hidden_size=dim, num_attention_heads=1, head_dim=dim, max_position_embeddings=131072)
    config.rope_parameters = parameters | {"rope_theta": theta}
    frequencies, factor = ROPE_INIT_FUNCTIONS[parameters["rope_type"]](config, "cpu")
    return [float(f) for f in frequencies], float(factor)


cases = []
for name, dim, theta, parameters in CASES:
    frequencies, factor = compute(dim, theta, dict(parameters))
    cases.append({"name": name, "dim": dim, "theta": theta, **parameters, "inverse_frequencies": frequencies,
                  "magnitude": factor})
out = {"made_by": f"make_rope.py, transformers {transformers.__version__}", "cases": cases}
text = json.dumps(out).replace('{"name"', '\n{"name"')
(pathlib.Path(__file__).parent / "rope_cases.json").write_text(text + "\n")
