"""From a trained model to files: a Hugging Face folder, and GGUF as llama.cpp's converter names things.

    python export.py runs/r1/final.pt pensee-mini.gguf --type q8_0
    python export.py runs/r1/final.pt pensee-mini/                    config.json, model.safetensors, tokenizer

In a GGUF of deepseek2 the experts of a layer are one tensor, kv_b_proj is split into the part that is absorbed into
the query (attn_k_b, transposed) and the part that is absorbed into the output (attn_v_b), and the prediction layer is
the last block. Vectors and routers stay float32; of a 4-bit file the tables of tokens have 8.
"""

import argparse
import json
import pathlib
import re
import shutil

import gguf
import numpy as np
import torch
from torch import nn

import pretrain
import tokenizer as tokens

Type = gguf.GGMLQuantizationType
TYPES = {name: Type[name.upper()] for name in ("f32", "f16", "q8_0", "q4_0", "q4_1")}

TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
PARTS = {  # below model.layers.N and blk.N
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_a_proj": "attn_q_a", "self_attn.q_a_layernorm": "attn_q_a_norm",
    "self_attn.q_b_proj": "attn_q_b", "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
    "self_attn.kv_a_layernorm": "attn_kv_a_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate": "ffn_gate_inp",
    "mlp.shared_experts.gate_proj": "ffn_gate_shexp", "mlp.shared_experts.up_proj": "ffn_up_shexp",
    "mlp.shared_experts.down_proj": "ffn_down_shexp",
    "eh_proj": "nextn.eh_proj", "enorm": "nextn.enorm", "hnorm": "nextn.hnorm",
    "shared_head.norm": "nextn.shared_head_norm",
}


def arrays(model: nn.Module) -> dict[str, np.ndarray]:
    """Hugging Face's names, float32."""
    return {name: np.ascontiguousarray(weight.detach().float().cpu().numpy())
            for name, weight in model.state_dict().items()}


def gguf_arrays(state: dict[str, np.ndarray], config: dict) -> dict[str, np.ndarray]:
    """The same under GGUF's names, in its layouts."""
    out: dict[str, np.ndarray] = {}
    experts: dict[str, list[np.ndarray]] = {}
    for name, weight in state.items():
        stem, kind = name.rsplit(".", 1)
        layer = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", stem)
        if not layer:
            out[f"{TOP[stem]}.{kind}"] = weight
            continue
        block, part = f"blk.{layer[1]}.", layer[2]
        if kind == "e_score_correction_bias":
            out[block + "exp_probs_b.bias"] = weight
        elif expert := re.fullmatch(r"mlp\.experts\.\d+\.(gate|up|down)_proj", part):
            experts.setdefault(f"{block}ffn_{expert[1]}_exps.weight", []).append(weight)  # by rising number
        elif part == "self_attn.kv_b_proj":
            heads = weight.reshape(config["num_attention_heads"], -1, weight.shape[1])
            keys, values = np.split(heads, [config["qk_nope_head_dim"]], axis=1)
            out[block + "attn_k_b.weight"] = np.ascontiguousarray(keys.swapaxes(1, 2))
            out[block + "attn_v_b.weight"] = np.ascontiguousarray(values)
        else:
            out[f"{block}{PARTS[part]}.{kind}"] = weight
    return out | {name: np.stack(stack) for name, stack in experts.items()}


def stored_type(name: str, weight: np.ndarray, wanted: Type) -> Type:
    if weight.ndim == 1 or ".ffn_gate_inp." in name:
        return Type.F32
    if name in ("token_embd.weight", "output.weight") and wanted in (Type.Q4_0, Type.Q4_1):
        wanted = Type.Q8_0
    return wanted if weight.shape[-1] % gguf.GGML_QUANT_SIZES[wanted][0] == 0 else Type.F16


def add_deepseek(writer: gguf.GGUFWriter, config: dict) -> None:
    latent, rope = config["kv_lora_rank"], config["qk_rope_head_dim"]
    writer.add_head_count_kv(1)  # absorbed: one key head, as wide as a row of the cache
    writer.add_key_length(latent + rope)
    writer.add_value_length(latent)
    writer.add_key_length_mla(config["qk_nope_head_dim"] + rope)
    writer.add_value_length_mla(config["v_head_dim"])
    writer.add_q_lora_rank(config["q_lora_rank"])
    writer.add_kv_lora_rank(latent)
    writer.add_rope_dimension_count(rope)
    writer.add_leading_dense_block_count(config["first_k_dense_replace"])
    writer.add_expert_count(config["n_routed_experts"])
    writer.add_expert_used_count(config["num_experts_per_tok"])
    writer.add_expert_shared_count(config["n_shared_experts"])
    writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    writer.add_expert_weights_scale(config["routed_scaling_factor"])
    writer.add_expert_weights_norm(config["norm_topk_prob"])
    writer.add_expert_group_count(config["n_group"])
    writer.add_expert_group_used_count(config["topk_group"])
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    if config["num_nextn_predict_layers"]:
        writer.add_nextn_predict_layers(config["num_nextn_predict_layers"])


def add_config(writer: gguf.GGUFWriter, config: dict, name: str) -> None:
    writer.add_name(name)
    writer.add_license("apache-2.0")
    writer.add_sampling_temp(0.6)
    writer.add_sampling_top_p(0.95)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"] + config.get("num_nextn_predict_layers", 0))
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    if config["model_type"] == "deepseek_v3":
        add_deepseek(writer, config)
    else:
        writer.add_head_count_kv(config["num_key_value_heads"])
        writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])


def add_tokenizer(writer: gguf.GGUFWriter, folder: pathlib.Path) -> None:
    bpe = json.loads((folder / "tokenizer.json").read_text())
    ids = bpe["model"]["vocab"] | {token["content"]: token["id"] for token in bpe["added_tokens"]}
    texts = sorted(ids, key=ids.get)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in bpe["model"]["merges"]]
    kinds = [gguf.TokenType.NORMAL] * len(texts)
    for i in range(len(tokens.SPECIAL)):  # the tags of the thought are text that a reader may see
        shown = i in (tokens.THINK, tokens.END_THINK)
        kinds[i] = gguf.TokenType.USER_DEFINED if shown else gguf.TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.END)
    writer.add_pad_token_id(tokens.PAD)
    writer.add_add_bos_token(False)
    writer.add_chat_template(json.loads((folder / "tokenizer_config.json").read_text())["chat_template"])


def write_gguf(model: nn.Module, path: pathlib.Path, kind: str = "q8_0", name: str = "pensee-mini",
               folder: pathlib.Path = tokens.FOLDER) -> None:
    config = model.c.published()
    writer = gguf.GGUFWriter(path, {"deepseek_v3": "deepseek2", "qwen2": "qwen2"}[config["model_type"]])
    writer.add_file_type(gguf.LlamaFileType[("ALL_" if kind == "f32" else "MOSTLY_") + kind.upper()])
    add_config(writer, config, name)
    add_tokenizer(writer, folder)
    for tensor, weight in gguf_arrays(arrays(model), config).items():
        stored = stored_type(tensor, weight, TYPES[kind])
        writer.add_tensor(tensor, gguf.quantize(weight, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_folder(model: nn.Module, out: pathlib.Path, folder: pathlib.Path = tokens.FOLDER) -> None:
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(model.c.published(), indent=2) + "\n")
    (out / "generation_config.json").write_text(json.dumps(
        {"eos_token_id": tokens.END, "pad_token_id": tokens.PAD, "do_sample": True, "temperature": 0.6, "top_p": 0.95}))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / name, out / name)
    save_file({name: torch.from_numpy(weight) for name, weight in arrays(model).items()}, out / "model.safetensors",
              metadata={"format": "pt"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="a .pt file of any stage")
    parser.add_argument("out", type=pathlib.Path, help="a .gguf file, or a folder for Hugging Face's files")
    parser.add_argument("--type", default="q8_0", type=str.lower, choices=TYPES)
    parser.add_argument("--name", default="pensee-mini")
    args = parser.parse_args()
    model = pretrain.load_model(args.model)
    if args.out.suffix == ".gguf":
        write_gguf(model, args.out, args.type, args.name)
        print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB")
    else:
        write_folder(model, args.out)


if __name__ == "__main__":
    main()
