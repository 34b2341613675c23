#!/usr/bin/env python3
"""Writes big GGUF files of true shapes and random weights, to measure speed where no real weights are at hand.

A file is streamed: the header first, then each tensor cut at a random block out of a pool of a few million quantised
Gaussian weights, scaled so that activations keep a sane size through the layers. Blocks are therefore valid, experts
differ, and a router of Gaussian float32 spreads its choices; the text that comes out means nothing. The output matrix
is Q6_K in the 4-bit files, as the usual quantisers leave it. The vocabulary is a dummy of the right size.

  python3 tests/bench/make_shapes.py --list
  python3 tests/bench/make_shapes.py --dir DIR qwen2-1.5b-q4_0 ...      (needs numpy and gguf)
"""

import argparse
import pathlib
import sys
import time

import gguf
import numpy as np

Type = gguf.GGMLQuantizationType
POOL_BLOCKS = 65521  # of 32 weights; a prime, so that rows do not line up with the pool's period
WRITE_BLOCKS = 1 << 19

LLAMA_CPP_ARCH = {"qwen2": "qwen2", "v2_lite": "deepseek2", "v3_1.3b": "deepseek2", "v3_layers": "deepseek2"}
SHAPES = {
    # DeepSeek-V2-Lite: 15.7 B parameters, 2.4 B active.
    "v2_lite": dict(
        layers=27, hidden=2048, heads=16, q_lora=None, kv_lora=512, nope=128, rope=64, v=128, dense_layers=1,
        width=10944, experts=64, used=6, shared=2, expert_width=1408, sigmoid=False, groups=None, scale=1.0,
        yarn=(40.0, 4096, 0.707), vocab=102400, theta=10000.0, context=163840, tied=False, pre="deepseek-llm"),
    # Every mechanism of V3 at 1.3 B parameters, 0.5 B active: latent queries, sigmoid with bias, groups, YaRN.
    "v3_1.3b": dict(
        layers=20, hidden=1024, heads=16, q_lora=512, kv_lora=512, nope=128, rope=64, v=128, dense_layers=1,
        width=4096, experts=32, used=8, shared=1, expert_width=512, sigmoid=True, groups=(8, 4), scale=2.5,
        yarn=(40.0, 4096, 1.0), vocab=102400, theta=10000.0, context=163840, tied=False, pre="deepseek-v3"),
    # DeepSeek-R1-Distill-Qwen-1.5B: Qwen2's shape with an output matrix of its own.
    "qwen2": dict(
        layers=28, hidden=1536, heads=12, kv_heads=2, width=8960, vocab=151936, theta=10000.0, context=131072,
        tied=False, pre="qwen2"),
}
# Two of its layers, dense and with experts, to measure matrices by.
SHAPES["v3_layers"] = dict(SHAPES["v3_1.3b"], layers=2, vocab=32000)
FILES = {  # file: (shape, type of the matrices, type of the output matrix)
    "v2-lite-q4_0": ("v2_lite", Type.Q4_0, Type.Q6_K),
    "v3-1.3b-q4_0": ("v3_1.3b", Type.Q4_0, Type.Q6_K),
    "v3-1.3b-q8_0": ("v3_1.3b", Type.Q8_0, Type.Q8_0),
    "v3-layers-q8_0": ("v3_layers", Type.Q8_0, Type.Q8_0),
    "qwen2-1.5b-q4_0": ("qwen2", Type.Q4_0, Type.Q6_K),
    "qwen2-1.5b-q8_0": ("qwen2", Type.Q8_0, Type.Q8_0),
}


class Pool:
    """Random blocks of one type at one standard deviation, from which tensors of any size are cut."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.unit = rng.standard_normal(POOL_BLOCKS * 32, dtype=np.float32)
        self.cache = {}

    def blocks(self, kind: Type, deviation: float) -> np.ndarray:
        """[blocks, bytes of a block]"""
        key = (kind, round(float(deviation), 6))
        if key not in self.cache:
            if kind == Type.Q6_K:
                self.cache[key] = self._q6_k(deviation)
            else:
                data = gguf.quantize(self.unit.reshape(-1, 32) * np.float32(deviation), kind)
                self.cache[key] = np.ascontiguousarray(data).view(np.uint8).reshape(POOL_BLOCKS, -1)
        return self.cache[key]

    def _q6_k(self, deviation: float) -> np.ndarray:
        """Six random bits a weight (4 low, 2 high), signed scales of 16 weights near 32, one half-precision scale."""
        count = POOL_BLOCKS // 8
        bits = self.rng.integers(0, 256, (count, 192), dtype=np.uint8)
        scales = self.rng.integers(28, 37, (count, 16), dtype=np.int8).view(np.uint8)
        uniform_deviation = 64 / np.sqrt(12.0)
        d = np.full((count, 1), deviation / (32 * uniform_deviation), np.float16).view(np.uint8)
        return np.concatenate([bits, scales, d], axis=1)

    def stream(self, kind: Type, count: int, deviation: float):
        """Yields bytes of `count` weights piece by piece."""
        blocks = self.blocks(kind, deviation)
        left = count // gguf.GGML_QUANT_SIZES[kind][0]
        if kind in (Type.F32, Type.F16, Type.BF16):
            left = count // 32  # the pool holds these by 32, too
        start = int(self.rng.integers(len(blocks)))
        while left > 0:
            piece = blocks[start : start + min(left, WRITE_BLOCKS)]
            left -= len(piece)
            start = 0
            yield piece


def attention_tensors(s: dict, kind: Type) -> list[tuple]:
    """(name, shape with the row length last, type, standard deviation)"""
    hidden, heads = s["hidden"], s["heads"]
    if "kv_heads" in s:
        dim = hidden // heads
        rows = [("attn_q", heads * dim), ("attn_k", s["kv_heads"] * dim), ("attn_v", s["kv_heads"] * dim)]
        matrices = [(f"{name}.weight", (out, hidden), kind, hidden**-0.5) for name, out in rows]
        biases = [(f"{name}.bias", (out,), Type.F32, 0.1) for name, out in rows]
        return [*matrices, *biases, ("attn_output.weight", (hidden, hidden), kind, hidden**-0.5)]
    key, latent = s["nope"] + s["rope"], s["kv_lora"]
    q = [("attn_q.weight", (heads * key, hidden), kind, hidden**-0.5)]
    if s["q_lora"]:
        q = [
            ("attn_q_a.weight", (s["q_lora"], hidden), kind, hidden**-0.5),
            ("attn_q_a_norm.weight", (s["q_lora"],), Type.F32, None),
            ("attn_q_b.weight", (heads * key, s["q_lora"]), kind, s["q_lora"] ** -0.5),
        ]
    return [
        *q,
        ("attn_kv_a_mqa.weight", (latent + s["rope"], hidden), kind, hidden**-0.5),
        ("attn_kv_a_norm.weight", (latent,), Type.F32, None),
        ("attn_k_b.weight", (heads, latent, s["nope"]), kind, latent**-0.5),
        ("attn_v_b.weight", (heads, s["v"], latent), kind, latent**-0.5),
        ("attn_output.weight", (hidden, heads * s["v"]), kind, (heads * s["v"]) ** -0.5),
    ]


def feed_forward_tensors(s: dict, layer: int, kind: Type) -> list[tuple]:
    hidden = s["hidden"]

    def gated(suffix: str, width: int, stack: tuple = ()) -> list[tuple]:
        return [
            (f"ffn_gate{suffix}.weight", (*stack, width, hidden), kind, hidden**-0.5),
            (f"ffn_up{suffix}.weight", (*stack, width, hidden), kind, hidden**-0.5),
            (f"ffn_down{suffix}.weight", (*stack, hidden, width), kind, width**-0.5),
        ]

    if "experts" not in s or layer < s["dense_layers"]:
        return gated("", s["width"])
    router = [("ffn_gate_inp.weight", (s["experts"], hidden), Type.F32, hidden**-0.5)]
    if s["sigmoid"]:
        router.append(("exp_probs_b.bias", (s["experts"],), Type.F32, 0.05))
    experts = gated("_exps", s["expert_width"], (s["experts"],))
    return router + experts + gated("_shexp", s["shared"] * s["expert_width"])


def all_tensors(s: dict, kind: Type, head: Type) -> list[tuple]:
    hidden, vocab = s["hidden"], s["vocab"]
    tensors = [("token_embd.weight", (vocab, hidden), kind, 1.0), ("output_norm.weight", (hidden,), Type.F32, None)]
    if not s["tied"]:
        tensors.append(("output.weight", (vocab, hidden), head, hidden**-0.5))
    for layer in range(s["layers"]):
        rows = [
            ("attn_norm.weight", (hidden,), Type.F32, None),
            *attention_tensors(s, kind),
            ("ffn_norm.weight", (hidden,), Type.F32, None),
            *feed_forward_tensors(s, layer, kind),
        ]
        tensors += [(f"blk.{layer}.{name}", *rest) for name, *rest in rows]
    return tensors


def add_metadata(writer: gguf.GGUFWriter, s: dict) -> None:
    writer.add_context_length(s["context"])
    writer.add_embedding_length(s["hidden"])
    writer.add_block_count(s["layers"])
    writer.add_feed_forward_length(s["width"])
    writer.add_head_count(s["heads"])
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(s["vocab"])
    writer.add_rope_freq_base(s["theta"])
    if "kv_heads" in s:
        writer.add_head_count_kv(s["kv_heads"])
        return
    writer.add_head_count_kv(1)
    writer.add_key_length(s["kv_lora"] + s["rope"])
    writer.add_value_length(s["kv_lora"])
    writer.add_key_length_mla(s["nope"] + s["rope"])
    writer.add_value_length_mla(s["v"])
    writer.add_kv_lora_rank(s["kv_lora"])
    if s["q_lora"]:
        writer.add_q_lora_rank(s["q_lora"])
    writer.add_rope_dimension_count(s["rope"])
    factor, original, mscale = s["yarn"]
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(factor)
    writer.add_rope_scaling_orig_ctx_len(original)
    writer.add_rope_scaling_yarn_log_mul(0.1 * mscale)
    writer.add_leading_dense_block_count(s["dense_layers"])
    writer.add_expert_count(s["experts"])
    writer.add_expert_used_count(s["used"])
    writer.add_expert_shared_count(s["shared"])
    writer.add_expert_feed_forward_length(s["expert_width"])
    writer.add_expert_weights_scale(s["scale"])
    writer.add_expert_weights_norm(s["sigmoid"])
    kinds = gguf.ExpertGatingFuncType
    writer.add_expert_gating_func(kinds.SIGMOID if s["sigmoid"] else kinds.SOFTMAX)
    if s["groups"]:
        writer.add_expert_group_count(s["groups"][0])
        writer.add_expert_group_used_count(s["groups"][1])


def add_vocabulary(writer: gguf.GGUFWriter, s: dict) -> None:
    """Bytes, three merges and fillers: enough for a loader and for prompts of plain text."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    as_text = [chr(byte) for byte in visible] + [chr(256 + i) for i in range(256 - len(visible))]
    tokens = ["<s>", "</s>", "<pad>", *as_text, "th", "the", "in"]
    kinds = [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(tokens) - 3)
    fill = s["vocab"] - len(tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(s["pre"])
    writer.add_token_list(tokens + [f"<filler_{i}>" for i in range(fill)])
    writer.add_token_types(kinds + [gguf.TokenType.UNUSED] * fill)
    writer.add_token_merges(["t h", "th e", "i n"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)


def write_file(path: pathlib.Path, s: dict, arch: str, kind: Type, head: Type) -> int:
    rng = np.random.default_rng(1)
    pool = Pool(rng)
    tensors = all_tensors(s, kind, head)
    partial = path.with_name(path.name + ".partial")
    writer = gguf.GGUFWriter(partial, arch)
    add_metadata(writer, s)
    add_vocabulary(writer, s)
    for name, shape, tensor_kind, _ in tensors:
        block, size = gguf.GGML_QUANT_SIZES[tensor_kind]
        nbytes = int(np.prod(shape)) // block * size
        if tensor_kind == Type.F32:
            writer.add_tensor_info(name, shape, np.dtype(np.float32), nbytes)
        else:
            writer.add_tensor_info(
                name, (*shape[:-1], shape[-1] // block * size), np.dtype(np.uint8), nbytes, raw_dtype=tensor_kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    out = writer.fout[0]
    writer.write_padding(out, out.tell())
    parameters = 0
    for name, shape, tensor_kind, deviation in tensors:
        count = int(np.prod(shape))
        parameters += count
        begin = out.tell()
        if deviation is None:
            out.write(np.ones(count, np.float32).tobytes())
        elif tensor_kind == Type.F32:
            out.write((rng.standard_normal(count, dtype=np.float32) * np.float32(deviation)).tobytes())
        else:
            for piece in pool.stream(tensor_kind, count, deviation):
                out.write(memoryview(piece).cast("B"))
        writer.write_padding(out, out.tell() - begin)
    writer.close()
    partial.replace(path)
    return parameters


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help=" ".join(FILES))
    parser.add_argument("--dir", type=pathlib.Path, default=pathlib.Path(".cache/shapes"))
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    if unknown := [name for name in args.files if name not in FILES]:
        parser.error(f"no file called {', '.join(unknown)}; there are: {' '.join(FILES)}")
    if args.list:
        for name, (shape, kind, head) in FILES.items():
            rows = all_tensors(SHAPES[shape], kind, head)
            sizes = [int(np.prod(row[1])) // gguf.GGML_QUANT_SIZES[row[2]][0] * gguf.GGML_QUANT_SIZES[row[2]][1]
                     for row in rows]
            print(f"{name:18} {sum(int(np.prod(row[1])) for row in rows) / 1e9:5.2f} B  {sum(sizes) / 1e9:5.2f} GB")
        return 0
    args.dir.mkdir(parents=True, exist_ok=True)
    for name in args.files:
        shape, kind, head = FILES[name]
        path = args.dir / f"{name}.gguf"
        begin = time.monotonic()
        parameters = write_file(path, SHAPES[shape], LLAMA_CPP_ARCH[shape], kind, head)
        print(f"{path}  {parameters / 1e9:.2f} B parameters, {path.stat().st_size / 1e9:.2f} GB, "
              f"{time.monotonic() - begin:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
