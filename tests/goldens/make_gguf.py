#!/usr/bin/env python3
"""Turns Hugging Face folders (llama, qwen2, deepseek_v2, deepseek_v3) into GGUF, and makes the GGUF goldens.

The names and metadata keys are those of the files that people run: q and k rows of llama interleaved (its rotation
pairs neighbours), experts stacked in one tensor, latent attention either with a joined `attn_kv_b` (files of 2024) or
split into `attn_k_b` (transposed for absorption) and `attn_v_b` (2025 on). YaRN's `mscale` has no key: a GGUF can say
`mscale_all_dim` alone and takes the two as equal, so a folder where they differ is refused.

Each of CASES becomes data/gguf_<name>/ with model.gguf and golden.safetensors: the logits that transformers computes in
float32 from the weights *as stored*, multiplied out and laid back in Hugging Face's order.

  python3 tests/goldens/make_gguf.py FOLDER OUT.gguf [--type q8_0] [--joined]
  python3 tests/goldens/make_gguf.py --cases [NAME...]          (needs torch, transformers, safetensors, gguf)
"""

import argparse
import copy
import json
import pathlib
import re
import shutil
import sys

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

import make_goldens

HERE = pathlib.Path(__file__).resolve().parent
Type = gguf.GGMLQuantizationType
ARCHITECTURES = {"llama": "llama", "qwen2": "qwen2", "deepseek_v2": "deepseek2", "deepseek_v3": "deepseek2"}
PRE_TOKENIZERS = {"llama": "llama-bpe", "qwen2": "qwen2", "deepseek_v2": "deepseek-llm", "deepseek_v3": "deepseek-v3"}

LAYER_NAMES = {  # GGUF <- Hugging Face, below blk.N and model.layers.N
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "attn_q_a": "self_attn.q_a_proj", "attn_q_a_norm": "self_attn.q_a_layernorm", "attn_q_b": "self_attn.q_b_proj",
    "attn_kv_a_mqa": "self_attn.kv_a_proj_with_mqa", "attn_kv_a_norm": "self_attn.kv_a_layernorm",
    "attn_kv_b": "self_attn.kv_b_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "ffn_gate_inp": "mlp.gate", "ffn_gate_shexp": "mlp.shared_experts.gate_proj",
    "ffn_up_shexp": "mlp.shared_experts.up_proj", "ffn_down_shexp": "mlp.shared_experts.down_proj",
    "nextn.eh_proj": "eh_proj", "nextn.enorm": "enorm", "nextn.hnorm": "hnorm", "nextn.embed_tokens": "embed_tokens",
    "nextn.shared_head_norm": "shared_head.norm", "nextn.shared_head_head": "shared_head.head",
}
TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}

DEEPSEEK = dict(
    hidden_size=64, num_attention_heads=3, num_key_value_heads=3, kv_lora_rank=32, qk_nope_head_dim=32,
    qk_rope_head_dim=16, v_head_dim=32, intermediate_size=96, moe_intermediate_size=32, num_hidden_layers=2,
    first_k_dense_replace=1,
)
V3 = dict(
    DEEPSEEK, q_lora_rank=32, n_routed_experts=8, n_shared_experts=1, n_group=4, topk_group=2, num_experts_per_tok=3,
    norm_topk_prob=True, routed_scaling_factor=2.5,
    rope_parameters=dict(make_goldens.YARN, factor=4.0, mscale=1.0, mscale_all_dim=1.0,
                         original_max_position_embeddings=24))
V2 = dict(
    DEEPSEEK, hidden_size=96, q_lora_rank=None, n_routed_experts=6, n_shared_experts=2, num_experts_per_tok=3,
    norm_topk_prob=False, topk_method="greedy", routed_scaling_factor=1.0,
    rope_parameters=dict(make_goldens.YARN, factor=10.0, mscale=0.707, mscale_all_dim=0.707,
                         original_max_position_embeddings=32))
LLAMA3 = dict(
    hidden_size=96, num_attention_heads=6, num_key_value_heads=2, intermediate_size=128, num_hidden_layers=2,
    rope_parameters=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                         original_max_position_embeddings=40, rope_theta=500000.0))
QWEN2 = dict(
    hidden_size=64, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96, num_hidden_layers=2,
    use_sliding_window=False, rope_parameters=dict(rope_type="default", rope_theta=1000000.0))

# name: (transformers class, seed, config, joined kv_b, type of the matrices, exceptions by the name's last word)
CASES = {
    "deepseek_v3_f32": ("DeepseekV3", 61, V3, False, Type.F32, {}),
    "deepseek_v3_mixed": ("DeepseekV3", 72, V3, False, Type.Q8_0, dict(
        ffn_gate_exps=Type.Q4_0, ffn_up_exps=Type.Q4_1, ffn_down_exps=Type.Q5_0, attn_k_b=Type.Q8_0,
        attn_v_b=Type.BF16, attn_output=Type.Q5_1, token_embd=Type.F16)),
    "deepseek_v2_joined": ("DeepseekV2", 63, V2, True, Type.Q8_0, dict(token_embd=Type.Q4_0)),
    "llama3_f16": ("Llama", 64, LLAMA3, False, Type.F16, {}),
    "llama3_q4_0": ("Llama", 75, LLAMA3, False, Type.Q4_0, dict(output=Type.Q8_0)),
    "qwen2_bf16": ("Qwen2", 66, QWEN2, False, Type.BF16, {}),
    "qwen2_tied_q4_1": ("Qwen2", 67, dict(QWEN2, tie_word_embeddings=True), False, Type.Q4_1, dict(
        token_embd=Type.Q8_0)),
}


def interleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """Halves of each head side by side become pairs, as llama's rotation of neighbours wants them."""
    return weight.reshape(heads, 2, -1, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def deinterleave(weight: np.ndarray, heads: int) -> np.ndarray:
    return weight.reshape(heads, -1, 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def head_count(config, name: str) -> int | None:
    """How many heads a tensor's rows must be interleaved in, or None."""
    if config.model_type != "llama" or not re.search(r"attn_[qk]\.", name):
        return None
    return config.num_attention_heads if "attn_q" in name else config.num_key_value_heads


def to_gguf(state: dict[str, np.ndarray], config, joined: bool) -> dict[str, np.ndarray]:
    """Hugging Face names and layouts -> GGUF's."""
    tensors = {}
    to_layer_name = {hf: name for name, hf in LAYER_NAMES.items()}
    to_top_name = {hf: name for name, hf in TOP_NAMES.items()}
    for hf_name, weight in state.items():
        stem, _, kind = hf_name.rpartition(".")
        if not (match := re.match(r"model\.layers\.(\d+)\.(.+)", stem)):
            if stem != "lm_head" or not config.tie_word_embeddings:
                tensors[f"{to_top_name[stem]}.{kind}"] = weight
            continue
        prefix, part = f"blk.{match[1]}.", match[2]
        if kind == "e_score_correction_bias":
            tensors[prefix + "exp_probs_b.bias"] = weight
        elif expert := re.match(r"mlp\.experts\.(\d+)\.(\w+)_proj", part):
            name = f"{prefix}ffn_{expert[2]}_exps.weight"
            tensors.setdefault(name, np.empty((config.n_routed_experts, *weight.shape), np.float32))
            tensors[name][int(expert[1])] = weight
        elif part == "self_attn.kv_b_proj" and not joined:
            keys, values = np.split(
                weight.reshape(config.num_attention_heads, -1, weight.shape[1]), [config.qk_nope_head_dim], axis=1)
            tensors[prefix + "attn_k_b.weight"] = np.ascontiguousarray(keys.swapaxes(1, 2))
            tensors[prefix + "attn_v_b.weight"] = np.ascontiguousarray(values)
        else:
            name = f"{prefix}{to_layer_name[part]}.{kind}"
            heads = head_count(config, name)
            tensors[name] = interleave(weight, heads) if heads else weight
    if config.rope_parameters["rope_type"] == "llama3":
        inv_freq, _ = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
        dim = 2 * len(inv_freq)
        plain = config.rope_parameters["rope_theta"] ** (-torch.arange(0, dim, 2, dtype=torch.float32) / dim)
        tensors["rope_freqs.weight"] = (plain / inv_freq).numpy()
    return tensors


def from_gguf(tensors: dict[str, np.ndarray], config) -> dict[str, np.ndarray]:
    """The way back: GGUF's names and layouts -> Hugging Face's."""
    state = {}
    for name, weight in tensors.items():
        stem, kind = name.rsplit(".", 1)
        if name == "rope_freqs.weight":
            continue
        if stem in TOP_NAMES:
            state[f"{TOP_NAMES[stem]}.{kind}"] = weight
            continue
        _, layer, part = stem.split(".", 2)
        prefix = f"model.layers.{layer}."
        if part == "exp_probs_b":
            state[prefix + "mlp.gate.e_score_correction_bias"] = weight
        elif part.endswith("_exps"):
            projection = part.removeprefix("ffn_").removesuffix("_exps")
            for i, expert in enumerate(weight):
                state[f"{prefix}mlp.experts.{i}.{projection}_proj.weight"] = expert
        elif part == "attn_k_b":
            joined = np.concatenate([weight.swapaxes(1, 2), tensors[f"blk.{layer}.attn_v_b.weight"]], axis=1)
            state[prefix + "self_attn.kv_b_proj.weight"] = joined.reshape(-1, joined.shape[2])
        elif part != "attn_v_b":
            heads = head_count(config, name)
            state[f"{prefix}{LAYER_NAMES[part]}.{kind}"] = deinterleave(weight, heads) if heads else weight
    if config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    return state


def add_vocabulary(writer: gguf.GGUFWriter, size: int, pre: str) -> None:
    """A byte-level vocabulary of bytes, three merges and fillers: enough for any loader, of no other use."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    bytes_as_text = [chr(byte) for byte in visible] + [chr(256 + i) for i in range(len(hidden))]
    merges = ["t h", "th e", "i n"]
    tokens = ["<s>", "</s>", "<pad>", *bytes_as_text, *(merge.replace(" ", "") for merge in merges)]
    fillers = [f"<filler_{i}>" for i in range(size - len(tokens))]
    kinds = [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(tokens) - 3)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list((tokens + fillers)[:size])
    writer.add_token_types((kinds + [gguf.TokenType.UNUSED] * len(fillers))[:size])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)


def add_rope(writer: gguf.GGUFWriter, rope: dict) -> None:
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif rope["rope_type"] == "yarn":
        if rope.get("mscale") != rope.get("mscale_all_dim"):
            raise ValueError("rope_parameters: mscale differs from mscale_all_dim, which no GGUF key can say")
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        writer.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
        writer.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])
        if rope.get("mscale_all_dim"):
            writer.add_rope_scaling_yarn_log_mul(0.1 * rope["mscale_all_dim"])  # a tenth, by old habit of the files


def add_deepseek(writer: gguf.GGUFWriter, config, joined: bool) -> None:
    key, value = config.qk_nope_head_dim + config.qk_rope_head_dim, config.v_head_dim
    if joined:
        writer.add_head_count_kv(config.num_attention_heads)
        writer.add_key_length(key)
        writer.add_value_length(value)
    else:  # absorbed: one key head as wide as a cache row
        writer.add_head_count_kv(1)
        writer.add_key_length(config.kv_lora_rank + config.qk_rope_head_dim)
        writer.add_value_length(config.kv_lora_rank)
        writer.add_key_length_mla(key)
        writer.add_value_length_mla(value)
    if config.q_lora_rank is not None:
        writer.add_q_lora_rank(config.q_lora_rank)
    writer.add_kv_lora_rank(config.kv_lora_rank)
    writer.add_rope_dimension_count(config.qk_rope_head_dim)
    writer.add_leading_dense_block_count(config.first_k_dense_replace)
    writer.add_expert_count(config.n_routed_experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    writer.add_expert_shared_count(config.n_shared_experts)
    writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    writer.add_expert_weights_scale(config.routed_scaling_factor)
    if config.norm_topk_prob:
        writer.add_expert_weights_norm(True)
    if config.n_group is not None and config.topk_group is not None:
        writer.add_expert_group_count(config.n_group)
        writer.add_expert_group_used_count(config.topk_group)
    sigmoid = config.model_type == "deepseek_v3"
    if sigmoid or not joined:  # files of 2024 do not say; softmax is meant
        kinds = gguf.ExpertGatingFuncType
        writer.add_expert_gating_func(kinds.SIGMOID if sigmoid else kinds.SOFTMAX)


def add_metadata(writer: gguf.GGUFWriter, config, joined: bool, predictions: int) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers + predictions)
    if predictions > 0:
        writer.add_nextn_predict_layers(predictions)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    add_rope(writer, config.rope_parameters)
    if config.model_type.startswith("deepseek"):
        add_deepseek(writer, config, joined)
    else:
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_rope_dimension_count(head_dim)
        if head_dim * config.num_attention_heads != config.hidden_size:
            writer.add_key_length(head_dim)
            writer.add_value_length(head_dim)
    add_vocabulary(writer, config.vocab_size, PRE_TOKENIZERS[config.model_type])


def choose_type(name: str, weight: np.ndarray, default: Type, exceptions: dict[str, Type]) -> Type:
    """Vectors and the router stay float32, as in every converter; so does a row that is no whole number of blocks."""
    part = name.split(".")[-2]
    if weight.ndim == 1 or part in ("ffn_gate_inp", "exp_probs_b"):
        return Type.F32
    chosen = exceptions.get(part, default)
    return chosen if weight.shape[-1] % gguf.GGML_QUANT_SIZES[chosen][0] == 0 else Type.F32


def write_gguf(path: pathlib.Path, state: dict[str, np.ndarray], config, joined: bool, default: Type,
               exceptions: dict[str, Type]) -> dict[str, np.ndarray]:
    """Writes the file and returns its tensors as float32, multiplied out."""
    writer = gguf.GGUFWriter(path, ARCHITECTURES[config.model_type])
    layers = {int(match[1]) for name in state if (match := re.match(r"model\.layers\.(\d+)\.", name))}
    add_metadata(writer, config, joined, len([layer for layer in layers if layer >= config.num_hidden_layers]))
    stored = {}
    for name, weight in to_gguf(state, config, joined).items():
        kind = choose_type(name, weight, default, exceptions)
        data = gguf.quantize(np.ascontiguousarray(weight, np.float32), kind)
        writer.add_tensor(name, data, raw_dtype=kind)
        stored[name] = np.array(gguf.dequantize(data, kind), np.float32).reshape(weight.shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored


def hf_state(model: torch.nn.Module) -> dict[str, np.ndarray]:
    """Per-expert names, as save_pretrained writes them (in memory the library stacks experts)."""
    state = {}
    for name, weight in model.state_dict().items():
        weight = weight.float().numpy()
        if name.endswith("experts.gate_up_proj"):
            for i, both in enumerate(weight):
                gate, up = np.split(both, 2)
                state[name.replace("gate_up_proj", f"{i}.gate_proj.weight")] = gate
                state[name.replace("gate_up_proj", f"{i}.up_proj.weight")] = up
        elif name.endswith("experts.down_proj"):
            state |= {name.replace("down_proj", f"{i}.down_proj.weight"): one for i, one in enumerate(weight)}
        else:
            state[name] = weight
    return state


def prediction_state(folder: pathlib.Path, config) -> dict[str, np.ndarray]:
    """The tensors of whole prediction modules, which stand behind the last layer and which the library leaves out."""
    state = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, weight in load_file(path).items():
            match = re.match(r"model\.layers\.(\d+)\.", name)
            if match and int(match[1]) >= config.num_hidden_layers:
                state[name] = weight.float().numpy()
    whole = {name.split(".")[2] for name in state if name.endswith("self_attn.o_proj.weight")}
    return {name: weight for name, weight in state.items() if name.split(".")[2] in whole}


def make_case(name: str, out: pathlib.Path) -> float:
    family, seed, values, joined, default, exceptions = CASES[name]
    config = getattr(transformers, family + "Config")(**{**make_goldens.COMMON, "vocab_size": 277,
                                                         **copy.deepcopy(values)})
    model = getattr(transformers, family + "ForCausalLM")(config).float().eval()
    with torch.no_grad():
        make_goldens.fill(model, seed, config.tie_word_embeddings)
    folder = out / f"gguf_{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    state = hf_state(model)
    there_and_back = from_gguf(to_gguf(state, config, joined), config)
    if any(not np.array_equal(there_and_back[key], state[key]) for key in state):
        raise AssertionError(f"{name}: the layouts do not map back")
    stored = write_gguf(folder / "model.gguf", state, config, joined, default, exceptions)

    plain = folder.with_name(folder.name + ".plain")  # through a folder, so that the library's own loader reads it
    plain.mkdir()
    try:
        (plain / "config.json").write_text(json.dumps(config.to_dict(), default=str))
        tensors = {key: torch.from_numpy(np.array(value)) for key, value in from_gguf(stored, config).items()}
        save_file(tensors, plain / "model.safetensors", metadata={"format": "pt"})
        reread = transformers.AutoModelForCausalLM.from_pretrained(plain, dtype=torch.float32).eval()
    finally:
        shutil.rmtree(plain)
    golden, gap = make_goldens.compute_golden(reread, seed)
    save_file(golden, folder / "golden.safetensors")
    return gap


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="FOLDER OUT.gguf | NAME...")
    parser.add_argument("--cases", action="store_true", help="make the golden cases: " + " ".join(CASES))
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "data")
    parser.add_argument("--type", default="f32", help="f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 (default f32)")
    parser.add_argument("--joined", action="store_true", help="attn_kv_b in one tensor, as files of 2024")
    args = parser.parse_args()
    if not args.cases:
        if len(args.words) != 2:
            parser.error("give a folder and the file to write, or --cases")
        model = make_goldens.read_folder(pathlib.Path(args.words[0]))
        state = hf_state(model) | prediction_state(pathlib.Path(args.words[0]), model.config)
        write_gguf(pathlib.Path(args.words[1]), state, model.config, args.joined, Type[args.type.upper()], {})
        return 0
    failed = False
    for name in args.words or CASES:
        gap = make_case(name, args.out)
        size = sum(path.stat().st_size for path in (args.out / f"gguf_{name}").iterdir())
        print(f"gguf_{name:20} {size / 1e3:6.0f} kB  smallest greedy gap {gap:.4f}")
        failed = failed or gap < make_goldens.GAP_MIN
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
