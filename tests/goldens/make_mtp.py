#!/usr/bin/env python3
"""Makes data/v3_mtp and data/gguf_v3_mtp: a checkpoint with a multi-token prediction module, and what it predicts.

transformers leaves prediction modules alone, so the module stands here, from the DeepSeek-V3 report (section 2.2) and
the layout of the published weights: eh_proj reads the normed embedding first and the normed hidden state second; the
hidden state is the main model's behind its final norm; the decoder layer is transformers' own. Beside the usual
golden.safetensors of the main model, `mtp.safetensors` holds for each prompt K of n tokens:

  hidden.K         [n, hidden_size]  of the main model, behind the final norm
  draft.K          [n - 1, vocab]    row p, from hidden p and token p + 1: logits of token p + 2
  draft_hidden.K   [n - 1, hidden_size]  behind the module's own norm
  chained_token.K  [1]               the best of draft's last row
  chained.K        [vocab]           what follows it: the module once more at position n - 1, on its own hidden state

The GGUF holds the same numbers in the same 16 bits, so what it predicts is the same.

  python3 tests/goldens/make_mtp.py      (needs torch, transformers, safetensors, gguf)
"""

import json
import pathlib
import shutil

import gguf
import make_gguf
import make_goldens
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3DecoderLayer, DeepseekV3RMSNorm

DATA = pathlib.Path(__file__).resolve().parent / "data"
SEED = 34
CONFIG = make_goldens.COMMON | make_goldens.MLA | dict(
    vocab_size=277, q_lora_rank=40, first_k_dense_replace=1, n_routed_experts=8, n_shared_experts=1, n_group=2,
    topk_group=1, num_experts_per_tok=3, norm_topk_prob=True, routed_scaling_factor=2.5, num_hidden_layers=2,
    num_nextn_predict_layers=1, rope_parameters=dict(
        make_goldens.YARN, factor=4.0, mscale=1.0, mscale_all_dim=1.0, original_max_position_embeddings=24))


class Prediction(torch.nn.Module):
    """One module: M(hidden, next tokens) -> (hidden, logits); embedding and head are the main model's."""

    def __init__(self, config, embedding: torch.Tensor, head: torch.Tensor, rotary):
        super().__init__()
        self.enorm = DeepseekV3RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.hnorm = DeepseekV3RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.eh_proj = torch.nn.Linear(2 * config.hidden_size, config.hidden_size, bias=False)
        self.block = DeepseekV3DecoderLayer(config, config.num_hidden_layers)
        self.head_norm = DeepseekV3RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.shared = (embedding, head, rotary)

    def join(self, hidden: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        embedded = self.shared[0][tokens]
        return self.eh_proj(torch.cat([self.enorm(embedded), self.hnorm(hidden)], dim=-1))

    def forward(self, joined: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        n = joined.shape[0]
        positions = torch.arange(n).view(1, -1)
        mask = torch.full((1, 1, n, n), float("-inf")).triu(1)
        out = self.block(joined.unsqueeze(0), attention_mask=mask, position_ids=positions,
                         position_embeddings=self.shared[2](joined.unsqueeze(0), positions))
        hidden = self.head_norm(out[0])
        return hidden, hidden @ self.shared[1].T


def hf_names(prediction: Prediction, layer: int) -> dict[str, torch.Tensor]:
    names = {"head_norm.weight": "shared_head.norm.weight"}
    state = make_gguf.hf_state(prediction)
    return {f"model.layers.{layer}.{names.get(name, name.removeprefix('block.'))}": torch.from_numpy(weight)
            for name, weight in state.items()}


def write_folder(folder: pathlib.Path) -> None:
    config = transformers.DeepseekV3Config(**CONFIG)
    model = transformers.DeepseekV3ForCausalLM(config).float()
    prediction = Prediction(config, None, None, None)
    with torch.no_grad():
        make_goldens.fill(model, SEED, False)
        make_goldens.fill(prediction, SEED + 1, False)
        correction = {key: value.clone() for key, value in model.state_dict().items() if "e_score" in key}
        model = model.to(torch.bfloat16)
        for key, value in correction.items():  # stays float32, as in the real files
            parent, _, leaf = key.rpartition(".")
            setattr(model.get_submodule(parent), leaf, torch.nn.Buffer(value))
    model.config.dtype = torch.bfloat16
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    written = json.loads((folder / "config.json").read_text())
    written = make_goldens.older_config(written | {"dtype": "bfloat16"}) | {"num_nextn_predict_layers": 1}
    (folder / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    tensors = load_file(folder / "model.safetensors")
    layer = config.num_hidden_layers
    for name, weight in hf_names(prediction, layer).items():
        tensors[name] = weight if "e_score" in name else weight.to(torch.bfloat16)
    # Copies of the main model's, as the published files have them.
    tensors[f"model.layers.{layer}.embed_tokens.weight"] = tensors["model.embed_tokens.weight"].clone()
    tensors[f"model.layers.{layer}.shared_head.head.weight"] = tensors["lm_head.weight"].clone()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def read_prediction(folder: pathlib.Path, model: torch.nn.Module) -> Prediction:
    state = make_gguf.prediction_state(folder, model.config)
    prefix = f"model.layers.{model.config.num_hidden_layers}."
    embedding = torch.from_numpy(state[prefix + "embed_tokens.weight"])
    head = torch.from_numpy(state[prefix + "shared_head.head.weight"])
    prediction = Prediction(model.config, embedding, head, model.model.rotary_emb)
    own = prediction.state_dict()
    for name in own:
        stem = name.replace("head_norm.", "shared_head.norm.").removeprefix("block.")
        if stem.endswith("experts.gate_up_proj"):
            experts = range(model.config.n_routed_experts)
            value = [torch.cat([torch.from_numpy(state[f"{prefix}mlp.experts.{i}.{part}_proj.weight"])
                                for part in ("gate", "up")]) for i in experts]
            own[name].copy_(torch.stack(value))
        elif stem.endswith("experts.down_proj"):
            experts = range(model.config.n_routed_experts)
            own[name].copy_(torch.stack(
                [torch.from_numpy(state[f"{prefix}mlp.experts.{i}.down_proj.weight"]) for i in experts]))
        else:
            own[name].copy_(torch.from_numpy(state[prefix + stem]))
    return prediction.eval()


@torch.no_grad()
def compute(folder: pathlib.Path, model: torch.nn.Module, golden: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    prediction = read_prediction(folder, model)
    out = {}
    for k in range(len(make_goldens.PROMPT_LENGTHS)):
        ids = golden[f"ids.{k}"]
        hidden = model.model(ids.view(1, -1), use_cache=False).last_hidden_state[0]
        joined = prediction.join(hidden[:-1], ids[1:])
        draft_hidden, draft = prediction(joined)
        best = draft[-1].argmax().view(1)
        further = prediction.join(draft_hidden[-1:], best)
        _, chained = prediction(torch.cat([joined, further]))
        out |= {f"hidden.{k}": hidden, f"draft.{k}": draft, f"draft_hidden.{k}": draft_hidden,
                f"chained_token.{k}": best, f"chained.{k}": chained[-1]}
    return {name: tensor.clone().contiguous() for name, tensor in out.items()}


def main() -> None:
    folder = DATA / "v3_mtp"
    write_folder(folder)
    model = make_goldens.read_folder(folder)
    golden, gap = make_goldens.compute_golden(model, SEED)
    if gap < make_goldens.GAP_MIN:
        raise SystemExit(f"a greedy choice is nearly a tie ({gap}): try another seed")
    save_file(golden, folder / "golden.safetensors")
    save_file(compute(folder, model, golden), folder / "mtp.safetensors")

    gguf_folder = DATA / "gguf_v3_mtp"
    shutil.rmtree(gguf_folder, ignore_errors=True)
    gguf_folder.mkdir()
    state = make_gguf.hf_state(model) | make_gguf.prediction_state(folder, model.config)
    kind = gguf.GGMLQuantizationType.BF16
    make_gguf.write_gguf(gguf_folder / "model.gguf", state, model.config, False, kind, {})
    shutil.copy(folder / "golden.safetensors", gguf_folder / "golden.safetensors")
    for path in sorted([*folder.iterdir(), *gguf_folder.iterdir()]):
        print(f"{path.relative_to(DATA)!s:40} {path.stat().st_size / 1e3:6.0f} kB")


if __name__ == "__main__":
    main()
