"""The DeepSeek-V3 architecture in plain PyTorch, small: latent attention, sigmoid router, one prediction layer.

Follows the V3 report: attention 2.1.1, experts and the auxiliary-loss-free bias 2.1.2, multi-token prediction 2.2.
The state dict has the names of the published checkpoints (one tensor an expert, the prediction layer behind the last
layer), so that export.py and `pensee.Model.set_weights` need no table. Documents share a row only behind a mask.

The experts' weights are stacked. On a GPU all experts see all tokens and the gate is 0 for those not chosen: 16 times
128 columns are one matrix product there, quicker than sorting. On the CPU tokens are sorted by expert.
"""

import dataclasses
import json
import math
import pathlib
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

torch.backends.cuda.enable_cudnn_sdp(False)  # it plans anew for every shape, and has no row masks for all widths


class Readable:
    """For a dataclass with the names of config.json: made of that file, or of what it holds."""

    @classmethod
    def read(cls, values: dict | str | pathlib.Path) -> "Readable":
        if not isinstance(values, dict):
            values = json.loads(pathlib.Path(values).read_text())
        return cls(**{field.name: values[field.name] for field in dataclasses.fields(cls)})


@dataclasses.dataclass(frozen=True)
class Config(Readable):
    """Names and meanings are those of Hugging Face's config.json."""

    vocab_size: int = 1024
    hidden_size: int = 192
    num_hidden_layers: int = 6
    first_k_dense_replace: int = 1
    intermediate_size: int = 512
    n_routed_experts: int = 16
    num_experts_per_tok: int = 2
    n_shared_experts: int = 1
    moe_intermediate_size: int = 128
    routed_scaling_factor: float = 1.5
    num_attention_heads: int = 6
    q_lora_rank: int = 96
    kv_lora_rank: int = 64
    qk_nope_head_dim: int = 32
    qk_rope_head_dim: int = 16
    v_head_dim: int = 32
    max_position_embeddings: int = 1024
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6
    num_nextn_predict_layers: int = 1

    def published(self) -> dict:
        """As config.json has it."""
        fixed = dict(
            architectures=["DeepseekV3ForCausalLM"], model_type="deepseek_v3", dtype="float32", hidden_act="silu",
            n_group=1, topk_group=1, norm_topk_prob=True, scoring_func="sigmoid", topk_method="noaux_tc",
            num_key_value_heads=self.num_attention_heads, tie_word_embeddings=False, attention_bias=False,
            rope_interleave=True, rope_scaling=None, bos_token_id=None, pad_token_id=0, eos_token_id=1)
        return dataclasses.asdict(self) | fixed


class Output(NamedTuple):
    logits: Tensor  # [B, T, vocab]: of the next token
    mtp_logits: Tensor | None  # [B, T, vocab]: of the one after it
    routing: Tensor | None  # [B, T, mixture layers, chosen]; the prediction layer's stand last, where it ran


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.weight.shape, self.weight, self.eps)


def rope_table(positions: Tensor, dim: int, theta: float) -> tuple[Tensor, Tensor]:
    inverse = theta ** (-torch.arange(0, dim, 2, device=positions.device, dtype=torch.float32) / dim)
    angles = positions.float()[:, None] * inverse
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
    """x [..., T, dim], neighbours are pairs ("interleaved")."""
    cos, sin = rope
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2).to(x.dtype)


def document_mask(documents: Tensor, x: Tensor) -> Tensor:
    """[B, 1, T, T] to be added to scores: each token sees its own document's tokens up to itself."""
    mixed = torch.is_autocast_enabled(x.device.type)
    dtype = torch.get_autocast_dtype(x.device.type) if mixed else x.dtype
    rows = documents.shape[1]
    same = documents[:, :, None] == documents[:, None, :]
    seen = same & torch.ones(rows, rows, dtype=torch.bool, device=documents.device).tril()
    return torch.zeros(seen.shape, dtype=dtype, device=documents.device).masked_fill_(~seen, -math.inf)[:, None]


class LatentAttention(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        heads, qk = c.num_attention_heads, c.qk_nope_head_dim + c.qk_rope_head_dim
        self.q_a_proj = nn.Linear(c.hidden_size, c.q_lora_rank, bias=False)
        self.q_a_layernorm = RMSNorm(c.q_lora_rank, c.rms_norm_eps)
        self.q_b_proj = nn.Linear(c.q_lora_rank, heads * qk, bias=False)
        self.kv_a_proj_with_mqa = nn.Linear(c.hidden_size, c.kv_lora_rank + c.qk_rope_head_dim, bias=False)
        self.kv_a_layernorm = RMSNorm(c.kv_lora_rank, c.rms_norm_eps)
        self.kv_b_proj = nn.Linear(c.kv_lora_rank, heads * (c.qk_nope_head_dim + c.v_head_dim), bias=False)
        self.o_proj = nn.Linear(heads * c.v_head_dim, c.hidden_size, bias=False)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        c = self.c
        heads = c.num_attention_heads
        q = self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x))).unflatten(-1, (heads, -1)).transpose(1, 2)
        q_nope, q_rope = q.split((c.qk_nope_head_dim, c.qk_rope_head_dim), -1)
        latent, k_rope = self.kv_a_proj_with_mqa(x).split((c.kv_lora_rank, c.qk_rope_head_dim), -1)
        kv = self.kv_b_proj(self.kv_a_layernorm(latent)).unflatten(-1, (heads, -1)).transpose(1, 2)
        k_nope, v = kv.split((c.qk_nope_head_dim, c.v_head_dim), -1)
        k_rope = rotate(k_rope, rope)[:, None].expand(-1, heads, -1, -1)
        q = torch.cat((q_nope, rotate(q_rope, rope)), -1)
        k = torch.cat((k_nope, k_rope.to(k_nope.dtype)), -1)
        if not x.is_cuda:  # the CPU's fused attention wants one width
            v = F.pad(v, (0, q.shape[-1] - c.v_head_dim))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return self.o_proj(out[..., : c.v_head_dim].transpose(1, 2).flatten(2))


class MLP(nn.Module):
    def __init__(self, hidden: int, width: int):
        super().__init__()
        self.gate_proj = nn.Linear(hidden, width, bias=False)
        self.up_proj = nn.Linear(hidden, width, bias=False)
        self.down_proj = nn.Linear(width, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Router(nn.Module):
    """Scores are sigmoids in float32; the bias has a say in who is chosen, never in how much they weigh."""

    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.weight = nn.Parameter(torch.empty(c.n_routed_experts, c.hidden_size))
        self.register_buffer("e_score_correction_bias", torch.zeros(c.n_routed_experts))

    def forward(self, x: Tensor, replay: Tensor | None) -> tuple[Tensor, Tensor]:
        """x [N, hidden] -> experts [N, k] and their weights [N, k]."""
        with torch.autocast(x.device.type, enabled=False):
            scores = F.linear(x.float(), self.weight.float()).sigmoid()
        chosen = replay
        if chosen is None:
            chosen = (scores.detach() + self.e_score_correction_bias).topk(self.c.num_experts_per_tok, -1).indices
        weights = scores.gather(1, chosen)
        weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
        return chosen, weights * self.c.routed_scaling_factor


class Experts(nn.Module):
    """All routed experts of a layer, stacked; saved and loaded one by one."""

    PARTS = ("gate_proj", "up_proj", "down_proj")

    def __init__(self, c: Config):
        super().__init__()
        count, hidden, width = c.n_routed_experts, c.hidden_size, c.moe_intermediate_size
        self.gate_proj = nn.Parameter(torch.empty(count, width, hidden))
        self.up_proj = nn.Parameter(torch.empty(count, width, hidden))
        self.down_proj = nn.Parameter(torch.empty(count, hidden, width))

    def forward(self, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        return self.all_experts(x, chosen, weights) if x.is_cuda else self.by_expert(x, chosen, weights)

    def all_experts(self, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        count, width, hidden = self.gate_proj.shape
        gates = torch.zeros(len(x), count, dtype=weights.dtype, device=x.device).scatter(1, chosen, weights)
        act = F.silu(F.linear(x, self.gate_proj.flatten(0, 1))) * F.linear(x, self.up_proj.flatten(0, 1))
        act = act.unflatten(1, (count, width)) * gates.to(act.dtype)[:, :, None]
        return F.linear(act.flatten(1), self.down_proj.transpose(0, 1).reshape(hidden, count * width))

    def by_expert(self, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        order = chosen.flatten().argsort(stable=True)
        token = order // chosen.shape[1]
        counts = chosen.flatten().bincount(minlength=len(self.gate_proj)).tolist()
        rows = x[token].split(counts)
        parts = [F.linear(F.silu(F.linear(r, g)) * F.linear(r, u), d)
                 for r, g, u, d in zip(rows, self.gate_proj, self.up_proj, self.down_proj)]
        out = torch.cat(parts) * weights.flatten()[order, None]
        return torch.zeros_like(x, dtype=out.dtype).index_add(0, token, out)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        for part in self.PARTS:
            stacked = getattr(self, part)
            for i, one in enumerate(stacked if keep_vars else stacked.detach()):
                destination[f"{prefix}{i}.{part}.weight"] = one

    def _load_from_state_dict(self, state, prefix, metadata, strict, missing, unexpected, errors):
        for part in self.PARTS:
            names = [f"{prefix}{i}.{part}.weight" for i in range(len(self.gate_proj))]
            absent = [name for name in names if name not in state]
            missing.extend(absent)
            if not absent:
                with torch.no_grad():
                    getattr(self, part).copy_(torch.stack([state[name] for name in names]))
        known = {f"{prefix}{i}.{part}.weight" for part in self.PARTS for i in range(len(self.gate_proj))}
        unexpected.extend(name for name in state if name.startswith(prefix) and name not in known)


class MoE(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.gate = Router(c)
        self.experts = Experts(c)
        self.shared_experts = MLP(c.hidden_size, c.moe_intermediate_size * c.n_shared_experts)

    def forward(self, x: Tensor, replay: Tensor | None) -> tuple[Tensor, Tensor]:
        rows = x.flatten(0, 1)
        chosen, weights = self.gate(rows, None if replay is None else replay.flatten(0, 1))
        out = self.experts(rows, chosen, weights) + self.shared_experts(rows)
        return out.view_as(x), chosen.view(*x.shape[:2], -1)


class Layer(nn.Module):
    def __init__(self, c: Config, dense: bool):
        super().__init__()
        self.input_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.self_attn = LatentAttention(c)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.mlp = MLP(c.hidden_size, c.intermediate_size) if dense else MoE(c)

    def forward(self, x: Tensor, rope, mask: Tensor | None, replay: Tensor | None = None):
        x = x + self.self_attn(self.input_layernorm(x), rope, mask)
        h = self.post_attention_layernorm(x)
        if isinstance(self.mlp, MLP):
            return x + self.mlp(h), None
        out, chosen = self.mlp(h, replay)
        return x + out, chosen


class PredictionLayer(Layer):
    """Multi-token prediction: what the head read at t, joined with token t + 1, tells token t + 2."""

    def __init__(self, c: Config):
        super().__init__(c, dense=False)
        self.enorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.hnorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.eh_proj = nn.Linear(2 * c.hidden_size, c.hidden_size, bias=False)
        self.shared_head = nn.ModuleDict({"norm": RMSNorm(c.hidden_size, c.rms_norm_eps)})

    def join(self, embedded: Tensor, hidden: Tensor) -> Tensor:
        return self.eh_proj(torch.cat((self.enorm(embedded), self.hnorm(hidden)), -1))


class DeepseekV3(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        layers = [Layer(c, dense=i < c.first_k_dense_replace) for i in range(c.num_hidden_layers)]
        layers += [PredictionLayer(c) for _ in range(c.num_nextn_predict_layers)]
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(c.vocab_size, c.hidden_size), "layers": nn.ModuleList(layers),
            "norm": RMSNorm(c.hidden_size, c.rms_norm_eps)})
        self.lm_head = nn.Linear(c.hidden_size, c.vocab_size, bias=False)
        initialise(self, len(layers))

    def forward(self, ids: Tensor, documents: Tensor | None = None, routing: Tensor | None = None,
                mtp: bool = False) -> Output:
        """ids [B, T], padded on the right. documents [B, T] numbers the documents that share a row; without it a row is
        one document. routing [B, T, mixture layers, chosen] replays a choice of experts."""
        c = self.c
        x = self.model.embed_tokens(ids)
        mask = None if documents is None else document_mask(documents, x)
        rope = rope_table(torch.arange(ids.shape[1], device=ids.device), c.qk_rope_head_dim, c.rope_theta)
        choices: list[Tensor] = []
        for layer in self.model.layers[: c.num_hidden_layers]:
            replay = routing[:, :, len(choices)] if routing is not None and isinstance(layer.mlp, MoE) else None
            x, chosen = layer(x, rope, mask, replay)
            if chosen is not None:
                choices.append(chosen)
        hidden = self.model.norm(x)
        ahead = None
        if mtp:
            layer = self.model.layers[c.num_hidden_layers]
            y = layer.join(self.model.embed_tokens(ids.roll(-1, 1)), hidden)
            y, chosen = layer(y, rope, mask)
            choices.append(chosen)
            ahead = head(self.lm_head, layer.shared_head.norm(y))
        return Output(head(self.lm_head, hidden), ahead, torch.stack(choices, 2) if choices else None)

    def routers(self) -> list[Router]:
        return [layer.mlp.gate for layer in self.model.layers if isinstance(layer.mlp, MoE)]


def head(linear: nn.Linear, x: Tensor) -> Tensor:
    """Logits in float32, under autocast too: in bfloat16 a logit of 20 is off by 0.05."""
    with torch.autocast(x.device.type, enabled=False):
        return linear(x.float())


def initialise(model: nn.Module, layers: int) -> None:
    """Normal weights of deviation 1/sqrt(columns), smaller where a layer writes into the residual stream."""
    for name, weight in model.named_parameters():
        if name.endswith(".bias"):
            nn.init.zeros_(weight)
        if weight.dim() < 2:
            continue
        deviation = 1 / math.sqrt(weight.shape[-1])
        if "o_proj" in name or "down_proj" in name:
            deviation /= math.sqrt(2 * layers)
        if "lm_head" in name:
            deviation *= 0.5
        nn.init.normal_(weight, std=1.0 if "embed_tokens" in name else deviation)


@torch.no_grad()
def expert_load(routing: Tensor, real: Tensor, experts: int) -> Tensor:
    """routing [B, T, layers, k], real [B, T] -> how often each expert was chosen [layers, experts], padding apart."""
    rows = routing[real].permute(1, 0, 2).flatten(1)  # [layers, tokens * k]
    return torch.stack([(rows == expert).sum(1) for expert in range(experts)], 1).float()


@torch.no_grad()
def balance(model: DeepseekV3, load: Tensor, speed: float) -> None:
    """The auxiliary-loss-free update: an expert with less than its share becomes easier to choose."""
    for router, counts in zip(model.routers(), load):
        router.e_score_correction_bias += speed * (counts.mean() - counts).sign()
