#!/usr/bin/env python3
"""Makes tiny random checkpoints and the logits that transformers computes for them: the oracle of the forward pass.

Every case of CASES becomes data/<name>/ with config.json, model.safetensors (Hugging Face names, sharded where the
case says so) and golden.safetensors: for each of three prompts K `ids.K`, `logits.K` (float32, [tokens, vocab]) and
`greedy.K` (32 tokens chosen one by one). The logits come from the folder *as written*, read back and computed in
float32, so that a 16-bit case is judged on the very bits an engine reads. The dimensions are odd on purpose: heads that
are no power of two, values wider than keys, groups that do not divide evenly into vectors.

A case is rejected when a greedy choice is nearly a tie (gap below GAP_MIN): another order of sums could turn it.

  python3 tests/goldens/make_goldens.py            all cases (needs torch, transformers, safetensors)
  python3 tests/goldens/make_goldens.py NAME...    some
  --out DIR                                        elsewhere than data/
  --seed N                                         another seed than the committed one
"""

import argparse
import copy
import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
PROMPT_LENGTHS = (5, 33, 80)
GREEDY_TOKENS = 32
GAP_MIN = 2e-3

COMMON = dict(
    vocab_size=211, rms_norm_eps=1e-5, max_position_embeddings=512,
    bos_token_id=0, eos_token_id=1, pad_token_id=2, tie_word_embeddings=False,
)
MLA = dict(
    hidden_size=72, num_attention_heads=3, num_key_value_heads=3, kv_lora_rank=24, qk_nope_head_dim=12,
    qk_rope_head_dim=8, v_head_dim=20, intermediate_size=56, moe_intermediate_size=24, num_hidden_layers=3,
)
YARN = dict(rope_type="yarn", rope_theta=10000.0, beta_fast=32, beta_slow=1)

# name: (transformers class, stored dtype, seed, config, how the folder departs from save_pretrained's)
CASES = {
    # Two dense layers first, weights of the chosen not normalised, biases in attention, both YaRN scales in play.
    "v3_odd": ("DeepseekV3", torch.float32, 11, dict(
        MLA, q_lora_rank=40, first_k_dense_replace=2, n_routed_experts=12, n_shared_experts=2, n_group=3,
        topk_group=2, num_experts_per_tok=3, norm_topk_prob=False, routed_scaling_factor=1.7, attention_bias=True,
        rope_parameters=dict(YARN, factor=3.0, mscale=0.8, mscale_all_dim=0.5,
                             original_max_position_embeddings=24)), {}),
    # A folder as DeepSeek ships it: BF16, shards, an older config's key names, a prediction module to leave alone.
    "v3_as_shipped": ("DeepseekV3", torch.bfloat16, 12, dict(
        MLA, q_lora_rank=40, first_k_dense_replace=0, n_routed_experts=10, n_shared_experts=1, n_group=2,
        topk_group=1, num_experts_per_tok=4, norm_topk_prob=True, routed_scaling_factor=2.5,
        num_hidden_layers=2, rope_parameters=dict(YARN, factor=40.0, mscale=1.0, mscale_all_dim=1.0,
                                                  original_max_position_embeddings=32)),
        dict(shard="60KB", older_config=True, mtp=True)),
    # Linear weights in 8 bits with a float32 scale for each block of 128 by 128, the last blocks cut by the edge.
    "v3_fp8": ("DeepseekV3", torch.bfloat16, 13, dict(
        MLA, hidden_size=136, intermediate_size=144, q_lora_rank=None, first_k_dense_replace=1, n_routed_experts=6,
        n_shared_experts=1, n_group=1, topk_group=1, num_experts_per_tok=2, norm_topk_prob=True, kv_lora_rank=40,
        routed_scaling_factor=2.0, num_hidden_layers=2, rope_interleave=True,
        rope_parameters=dict(rope_type="default", rope_theta=50000.0)),
        dict(fp8=True, older_config=True)),
    # The same with rows of whole blocks of 32, of which some hold two scales.
    "v3_fp8_blocks": ("DeepseekV3", torch.bfloat16, 16, dict(
        MLA, hidden_size=160, intermediate_size=192, num_attention_heads=4, num_key_value_heads=4, qk_nope_head_dim=16,
        qk_rope_head_dim=16, v_head_dim=24, q_lora_rank=64, kv_lora_rank=64, moe_intermediate_size=64,
        first_k_dense_replace=1, n_routed_experts=6, n_shared_experts=1, n_group=2, topk_group=1,
        num_experts_per_tok=2, norm_topk_prob=True, routed_scaling_factor=2.0, num_hidden_layers=2,
        rope_parameters=dict(rope_type="default", rope_theta=50000.0)),
        dict(fp8=True, older_config=True)),
    # Keys stored in halves instead of pairs.
    "v3_no_interleave": ("DeepseekV3", torch.float16, 14, dict(
        MLA, q_lora_rank=None, first_k_dense_replace=1, n_routed_experts=6, n_shared_experts=1, n_group=1,
        topk_group=1, num_experts_per_tok=2, norm_topk_prob=True, routed_scaling_factor=1.0, num_hidden_layers=2,
        rope_interleave=False, rope_parameters=dict(rope_type="default", rope_theta=20000.0)), {}),
    "v2_odd": ("DeepseekV2", torch.bfloat16, 25, dict(
        MLA, q_lora_rank=None, first_k_dense_replace=1, n_routed_experts=7, n_shared_experts=2, num_experts_per_tok=3,
        topk_method="greedy", routed_scaling_factor=1.3, norm_topk_prob=False,
        rope_parameters=dict(YARN, factor=5.0, mscale=0.707, mscale_all_dim=0.707,
                             original_max_position_embeddings=32)),
        dict(shard="90KB", older_config=True)),
    "v2_group_odd": ("DeepseekV2", torch.float16, 22, dict(
        MLA, q_lora_rank=36, first_k_dense_replace=0, n_routed_experts=9, n_shared_experts=1, num_experts_per_tok=2,
        topk_method="group_limited_greedy", n_group=3, topk_group=2, routed_scaling_factor=6.0, num_hidden_layers=2,
        norm_topk_prob=False, attention_bias=True,
        rope_parameters=dict(YARN, factor=4.0, mscale=1.0, mscale_all_dim=0.6,
                             original_max_position_embeddings=48)), {}),
    "qwen2_tied": ("Qwen2", torch.bfloat16, 131, dict(
        hidden_size=84, num_attention_heads=6, num_key_value_heads=2, intermediate_size=116, num_hidden_layers=3,
        tie_word_embeddings=True, use_sliding_window=False, sliding_window=None,
        rope_parameters=dict(rope_type="default", rope_theta=1000000.0)), dict(older_config=True)),
    "llama_plain": ("Llama", torch.float16, 41, dict(
        hidden_size=72, num_attention_heads=6, num_key_value_heads=3, head_dim=20, intermediate_size=104,
        num_hidden_layers=3, attention_bias=True,
        rope_parameters=dict(rope_type="default", rope_theta=10000.0)), {}),
    "llama_linear": ("Llama", torch.float16, 45, dict(
        hidden_size=80, num_attention_heads=5, num_key_value_heads=1, intermediate_size=96, num_hidden_layers=2,
        rope_parameters=dict(rope_type="linear", factor=2.5, rope_theta=10000.0)), dict(older_config=True)),
    "llama3_as_shipped": ("Llama", torch.bfloat16, 46, dict(
        hidden_size=80, num_attention_heads=5, num_key_value_heads=5, intermediate_size=96, num_hidden_layers=2,
        rope_parameters=dict(rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
                             original_max_position_embeddings=40, rope_theta=500000.0)),
        dict(shard="90KB", older_config=True)),
}


def fill(model: torch.nn.Module, seed: int, tied: bool) -> None:
    """Draws weights large enough that every mechanism shows in the logits (the library's 0.02 would hide most)."""
    generator = torch.Generator().manual_seed(seed)
    state = model.state_dict()
    for name in sorted(state):
        weight = state[name]
        noise = torch.randn(weight.shape, generator=generator)
        if name.endswith("e_score_correction_bias"):
            value = 0.05 * noise
        elif name.endswith("bias"):
            value = 0.1 * noise
        elif "norm" in name:
            value = 1 + 0.2 * noise
        elif "embed_tokens" in name:
            value = (0.2 if tied else 1.0) * noise
        else:
            value = 1.3 * weight.shape[-1] ** -0.5 * noise
        weight.copy_(value)


def older_config(config: dict) -> dict:
    """Spells a config as the checkpoints of 2024 and 2025 do."""
    config = dict(config)
    rope = dict(config.pop("rope_parameters"))
    config["rope_theta"] = rope.pop("rope_theta")
    kind = rope.pop("rope_type")
    config["rope_scaling"] = None if kind == "default" else {"rope_type" if kind == "llama3" else "type": kind, **rope}
    config["torch_dtype"] = config.pop("dtype")
    if config["model_type"].startswith("deepseek"):
        config.pop("head_dim", None)
        config.pop("rope_interleave", None)
        config |= dict(moe_layer_freq=1, ep_size=1, aux_loss_alpha=0.001, seq_aux=True)
        v3 = config["model_type"] == "deepseek_v3"
        config["scoring_func"] = "sigmoid" if v3 else "softmax"
        if v3:
            config["topk_method"] = "noaux_tc"
    return config


def to_fp8(folder: pathlib.Path) -> None:
    """Rewrites linear weights as e4m3 with `weight_scale_inv` per 128 x 128 block, as DeepSeek-V3 has them."""
    stored = {}
    for name, weight in load_file(folder / "model.safetensors").items():
        linear = name.endswith("_proj.weight") or name.endswith("_proj_with_mqa.weight")
        if not linear:
            stored[name] = weight
            continue
        rows, cols = weight.shape
        scales = torch.empty((rows + 127) // 128, (cols + 127) // 128)
        quantised = torch.empty(rows, cols, dtype=torch.float8_e4m3fn)
        for i in range(scales.shape[0]):
            for j in range(scales.shape[1]):
                block = slice(128 * i, 128 * i + 128), slice(128 * j, 128 * j + 128)
                part = weight[block].float()
                scales[i, j] = part.abs().max() / 448.0
                quantised[block] = (part / scales[i, j]).to(torch.float8_e4m3fn)
        stored[name] = quantised
        stored[name + "_scale_inv"] = scales
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = dict(
        activation_scheme="dynamic", fmt="e4m3", quant_method="fp8", weight_block_size=[128, 128])
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def add_prediction_module(folder: pathlib.Path, config) -> None:
    """Appends the first tensors of a multi-token prediction layer, which a plain forward pass must leave alone."""
    index_path = folder / "model.safetensors.index.json"
    index = json.loads(index_path.read_text())
    layer, hidden = config.num_hidden_layers, config.hidden_size
    extra = {
        f"model.layers.{layer}.enorm.weight": torch.ones(hidden, dtype=torch.bfloat16),
        f"model.layers.{layer}.hnorm.weight": torch.ones(hidden, dtype=torch.bfloat16),
        f"model.layers.{layer}.eh_proj.weight": torch.zeros(hidden, 2 * hidden, dtype=torch.bfloat16),
        f"model.layers.{layer}.shared_head.norm.weight": torch.ones(hidden, dtype=torch.bfloat16),
        f"model.layers.{layer}.input_layernorm.weight": torch.ones(hidden, dtype=torch.bfloat16),
    }
    last = sorted(set(index["weight_map"].values()))[-1]
    save_file(load_file(folder / last) | extra, folder / last, metadata={"format": "pt"})
    index["weight_map"] |= {name: last for name in extra}
    index["metadata"]["total_size"] += sum(tensor.nbytes for tensor in extra.values())
    index_path.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def write_folder(name: str, folder: pathlib.Path, seed: int | None) -> None:
    family, dtype, case_seed, values, options = CASES[name]
    config = getattr(transformers, family + "Config")(**{**COMMON, **copy.deepcopy(values)})
    model = getattr(transformers, family + "ForCausalLM")(config).float()
    with torch.no_grad():
        fill(model, case_seed if seed is None else seed, config.tie_word_embeddings)
        correction = {key: value.clone() for key, value in model.state_dict().items() if "e_score" in key}
        model = model.to(dtype)
        for key, value in correction.items():  # stays float32, as in the real files
            parent, _, leaf = key.rpartition(".")
            setattr(model.get_submodule(parent), leaf, torch.nn.Buffer(value))
    model.config.dtype = dtype
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size=options.get("shard", "5GB"))
    (folder / "generation_config.json").unlink(missing_ok=True)
    path = folder / "config.json"
    written = json.loads(path.read_text())
    written["dtype"] = str(dtype).removeprefix("torch.")
    if options.get("older_config"):
        written = older_config(written)
    path.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    if options.get("fp8"):
        to_fp8(folder)
    if options.get("mtp"):
        add_prediction_module(folder, config)


def read_folder(folder: pathlib.Path) -> torch.nn.Module:
    """The library's own loader in float32; FP8 blocks are multiplied out first, its kernels for them want a GPU."""
    config = transformers.AutoConfig.from_pretrained(folder)
    if not hasattr(config, "quantization_config"):
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    stored = load_file(folder / "model.safetensors")
    plain = {}
    for name, weight in stored.items():
        if name.endswith("_scale_inv"):
            continue
        plain[name] = weight.float()
        if (scales := stored.get(name + "_scale_inv")) is not None:
            wide = scales.repeat_interleave(128, 0).repeat_interleave(128, 1)
            plain[name] *= wide[: weight.shape[0], : weight.shape[1]]
    plain_folder = folder.with_name(folder.name + ".plain")
    plain_folder.mkdir(exist_ok=True)
    try:
        settings = json.loads((folder / "config.json").read_text())
        del settings["quantization_config"]
        (plain_folder / "config.json").write_text(json.dumps(settings))
        save_file(plain, plain_folder / "model.safetensors", metadata={"format": "pt"})
        return transformers.AutoModelForCausalLM.from_pretrained(plain_folder, dtype=torch.float32).eval()
    finally:
        shutil.rmtree(plain_folder)


@torch.no_grad()
def compute_golden(model: torch.nn.Module, seed: int) -> tuple[dict, float]:
    """Returns the tensors of golden.safetensors and the smallest gap between the two best of a greedy choice."""
    generator = torch.Generator().manual_seed(seed + 1000)
    golden, gap_min = {}, float("inf")
    for k, length in enumerate(PROMPT_LENGTHS):
        ids = torch.randint(3, model.config.vocab_size, (1, length), generator=generator)
        golden[f"ids.{k}"] = ids[0].clone()
        golden[f"logits.{k}"] = model(ids, use_cache=False).logits[0].float().contiguous()
        chosen = []
        for _ in range(GREEDY_TOKENS):
            last = model(ids, use_cache=False).logits[0, -1]
            best = last.topk(2)
            gap_min = min(gap_min, (best.values[0] - best.values[1]).item())
            chosen.append(best.indices[0].item())
            ids = torch.cat([ids, best.indices[:1].view(1, 1)], dim=1)
        golden[f"greedy.{k}"] = torch.tensor(chosen)
    return golden, gap_min


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases: " + " ".join(CASES))
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "data")
    parser.add_argument("--seed", type=int)
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in CASES]:
        parser.error(f"no case called {', '.join(unknown)}; there are: {' '.join(CASES)}")
    failed = False
    for name in args.names or CASES:
        folder = args.out / name
        write_folder(name, folder, args.seed)
        seed = CASES[name][2] if args.seed is None else args.seed
        golden, gap = compute_golden(read_folder(folder), seed)
        save_file(golden, folder / "golden.safetensors")
        size = sum(path.stat().st_size for path in folder.iterdir())
        distinct = len(set(golden["greedy.2"].tolist()))
        print(f"{name:18} {size / 1e3:6.0f} kB  smallest greedy gap {gap:.4f}, {distinct} distinct of {GREEDY_TOKENS}, "
              f"logits deviate by {golden['logits.2'].std():.2f}")
        if gap < GAP_MIN:
            print(f"make_goldens: {name}: a greedy choice is nearly a tie: try another seed", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
