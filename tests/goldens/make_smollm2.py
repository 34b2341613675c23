#!/usr/bin/env python3
"""Writes data/smollm2_greedy.json: what a real model says when its quantised weights are computed in float32.

The weights of SmolLM2-135M-Instruct.Q4_1.gguf are multiplied out with the gguf package, laid back in Hugging Face's
order (the llama converter interleaves the two halves of each query and key head) and run by transformers. An engine
whose activations are quantised too will not give the same logits: `gaps` tells how far the second-best token was, so
that a test can demand equality where the model is sure and stop where it is not.

  python3 tests/goldens/make_smollm2.py PATH.gguf     (the path that tests/fetch_data.py smollm2 prints)

The JSON holds: `prompts`: name, text, messages (chat only), ids, greedy (at most 96 tokens, ends after end of
sequence), gaps (best minus second-best logit at each); `passage`: ids of a text and, at 50 positions, the 20 largest
logits of the next token with their ids, the logarithm of the sum of exponentials and the next token's log-probability.
"""

import argparse
import json
import pathlib
import sys

import gguf
import jinja2
import numpy as np
import tokenizers
import torch
import transformers
from tokenizers import AddedToken, decoders, models, pre_tokenizers

HERE = pathlib.Path(__file__).resolve().parent
GREEDY_TOKENS = 96
CONTROL = 3  # token type in a GGUF vocabulary

RAW = {
    "story": "Once upon a time, in a small village by the sea,",
    "code_python": "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n",
    "code_c": "#include <stdio.h>\n\nint main(void) {\n  for (int i = 0; i < 10; i++) {\n",
    "maths": "The sum of the first 100 natural numbers is computed as follows: 1 + 2 + 3 + ... + 100 =",
    "french": "La capitale de la France est Paris. La tour Eiffel est un monument c\u00e9l\u00e8bre qui",
    "chinese": "\u4eba\u5de5\u667a\u80fd\u662f\u8ba1\u7b97\u673a\u79d1\u5b66\u7684\u4e00\u4e2a\u5206\u652f\uff0c",
    "digits": "1, 2, 4, 8, 16, 32, 64, 128,",
}
CHAT = {
    "chat_gravity": [{"role": "user", "content": "What is gravity?"}],
    "chat_sum": [{"role": "user", "content": "What is 17 + 25? Answer with the number first."}],
    "chat_system": [
        {"role": "system", "content": "You are a pirate. Answer in one sentence."},
        {"role": "user", "content": "Where do you live?"},
    ],
    "chat_german": [
        {"role": "user", "content": "\u00dcbersetze ins Englische: \u201eDer Fluss flie\u00dft durch die Ebene.\u201c"},
    ],
    "chat_turns": [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello Ada! How can I help you today?"},
        {"role": "user", "content": "Write a Python function that adds two numbers, then tell me my name."},
    ],
}
PASSAGE = (
    "The theory of plate tectonics explains how the outer shell of the Earth is divided into plates that glide over "
    "the mantle. The plates act like a hard and rigid shell compared to the mantle. This strong outer layer is called "
    "the lithosphere. Developed from the 1950s through the 1970s, plate tectonics is the modern version of continental "
    "drift, a theory first proposed by the scientist Alfred Wegener in 1912. In Python one could write:\n\n"
    "```python\nplates = ['Pacific', 'Nazca', 'Eurasian']\nfor plate in plates:\n    print(plate.lower(), len(plate))\n"
    "```\n\nThis prints three lines; 7 + 5 + 8 = 20 characters in all."
)


def field(reader: gguf.GGUFReader, key: str):
    return reader.fields[key].contents()


def read_model(reader: gguf.GGUFReader) -> torch.nn.Module:
    heads, kv_heads = field(reader, "llama.attention.head_count"), field(reader, "llama.attention.head_count_kv")
    config = transformers.LlamaConfig(
        vocab_size=field(reader, "llama.vocab_size"), hidden_size=field(reader, "llama.embedding_length"),
        intermediate_size=field(reader, "llama.feed_forward_length"), num_attention_heads=heads,
        num_hidden_layers=field(reader, "llama.block_count"), num_key_value_heads=kv_heads,
        max_position_embeddings=field(reader, "llama.context_length"), tie_word_embeddings=True,
        rms_norm_eps=field(reader, "llama.attention.layer_norm_rms_epsilon"),
        rope_parameters=dict(rope_type="default", rope_theta=field(reader, "llama.rope.freq_base")),
    )
    names = {
        "token_embd": "model.embed_tokens", "output_norm": "model.norm", "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    }
    state = {}
    for tensor in reader.tensors:
        weight = np.array(gguf.dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        parts = tensor.name.removesuffix(".weight").split(".")
        if parts[-1] in ("attn_q", "attn_k"):
            count = heads if parts[-1] == "attn_q" else kv_heads
            weight = weight.reshape(count, -1, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
        prefix = f"model.layers.{parts[1]}." if parts[0] == "blk" else ""
        state[f"{prefix}{names[parts[-1]]}.weight"] = torch.from_numpy(np.ascontiguousarray(weight))
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model = transformers.LlamaForCausalLM(config).float().eval()
    model.load_state_dict(state, strict=True)
    return model


def read_tokenizer(reader: gguf.GGUFReader) -> tokenizers.Tokenizer:
    pieces, kinds = field(reader, "tokenizer.ggml.tokens"), field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in field(reader, "tokenizer.ggml.merges")]
    tokenizer = tokenizers.Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(piece, special=True, normalized=False) for piece, kind in zip(pieces, kinds) if kind == CONTROL])
    return tokenizer


@torch.no_grad()
def greedy(model: torch.nn.Module, ids: list[int], eos: int) -> tuple[list[int], list[float]]:
    chosen, gaps, cache = [], [], None
    step = torch.tensor([ids])
    while len(chosen) < GREEDY_TOKENS and eos not in chosen:
        out = model(step, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        best = out.logits[0, -1].topk(2)
        chosen.append(best.indices[0].item())
        gaps.append(round((best.values[0] - best.values[1]).item(), 4))
        step = best.indices[:1].view(1, 1)
    return chosen, gaps


@torch.no_grad()
def judge_passage(model: torch.nn.Module, ids: list[int]) -> dict:
    logits = model(torch.tensor([ids]), use_cache=False).logits[0].float()
    positions = sorted({round(i * (len(ids) - 2) / 49) for i in range(50)})
    rows = []
    for position in positions:
        best = logits[position].topk(20)
        total = logits[position].logsumexp(0)
        next_logprob = logits[position, ids[position + 1]] - total
        rows.append(dict(
            position=position, ids=best.indices.tolist(), logits=[round(value, 4) for value in best.values.tolist()],
            log_sum_exp=round(total.item(), 4), next_logprob=round(next_logprob.item(), 4)))
    mean = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:])).item()
    return dict(text=PASSAGE, ids=ids, perplexity=round(float(np.exp(mean)), 4), rows=rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "data" / "smollm2_greedy.json")
    args = parser.parse_args()
    reader = gguf.GGUFReader(args.gguf)
    model, tokenizer = read_model(reader), read_tokenizer(reader)
    eos = field(reader, "tokenizer.ggml.eos_token_id")
    template = jinja2.Environment().from_string(field(reader, "tokenizer.chat_template"))
    chats = {name: template.render(messages=messages, add_generation_prompt=True) for name, messages in CHAT.items()}
    prompts = []
    for name, text in {**RAW, **chats}.items():
        ids = tokenizer.encode(text).ids
        chosen, gaps = greedy(model, ids, eos)
        entry = dict(name=name, text=text, ids=ids, greedy=chosen, gaps=gaps)
        entry["answer"] = tokenizer.decode(chosen)
        if name in CHAT:
            entry["messages"] = CHAT[name]
        prompts.append(entry)
        print(f"{name}: {len(chosen)} tokens, smallest gap {min(gaps):.4f}: {entry['answer'][:90]!r}", flush=True)
    passage = judge_passage(model, tokenizer.encode(PASSAGE).ids)
    print(f"passage: {len(passage['ids'])} tokens, perplexity {passage['perplexity']}")
    golden = dict(file=args.gguf.name, prompts=prompts, passage=passage)
    args.out.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
