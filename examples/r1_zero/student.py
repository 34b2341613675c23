"""The dense student of distillation: the Qwen2 architecture in plain PyTorch, called as model.DeepseekV3 is called."""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model import MLP, Output, Readable, RMSNorm, document_mask, head, initialise, rope_table


@dataclasses.dataclass(frozen=True)
class Config(Readable):
    """Names and meanings are those of Hugging Face's config.json."""

    vocab_size: int = 1024
    hidden_size: int = 192
    num_hidden_layers: int = 6
    intermediate_size: int = 576
    num_attention_heads: int = 6
    num_key_value_heads: int = 2
    max_position_embeddings: int = 1024
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6

    def published(self) -> dict:
        fixed = dict(
            architectures=["Qwen2ForCausalLM"], model_type="qwen2", dtype="float32", hidden_act="silu",
            tie_word_embeddings=False, use_sliding_window=False, rope_scaling=None, bos_token_id=None, pad_token_id=0,
            eos_token_id=1)
        return dataclasses.asdict(self) | fixed


def rotate_halves(x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
    """x [..., T, dim]: the pairs are (i, i + dim / 2)."""
    cos, sin = rope
    first, second = x.float().chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        head = c.hidden_size // c.num_attention_heads
        self.heads, self.groups = c.num_attention_heads, c.num_key_value_heads
        self.q_proj = nn.Linear(c.hidden_size, self.heads * head)
        self.k_proj = nn.Linear(c.hidden_size, self.groups * head)
        self.v_proj = nn.Linear(c.hidden_size, self.groups * head)
        self.o_proj = nn.Linear(self.heads * head, c.hidden_size, bias=False)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        q, k, v = (projected.unflatten(-1, (count, -1)).transpose(1, 2) for projected, count in (
            (self.q_proj(x), self.heads), (self.k_proj(x), self.groups), (self.v_proj(x), self.groups)))
        q, k = rotate_halves(q, rope), rotate_halves(k, rope)
        k, v = (part.repeat_interleave(self.heads // self.groups, 1) for part in (k, v))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return self.o_proj(out.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.input_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.mlp = MLP(c.hidden_size, c.intermediate_size)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rope, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Qwen2(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(c.vocab_size, c.hidden_size),
            "layers": nn.ModuleList(Layer(c) for _ in range(c.num_hidden_layers)),
            "norm": RMSNorm(c.hidden_size, c.rms_norm_eps)})
        self.lm_head = nn.Linear(c.hidden_size, c.vocab_size, bias=False)
        initialise(self, c.num_hidden_layers)

    def forward(self, ids: Tensor, documents: Tensor | None = None, routing: Tensor | None = None,
                mtp: bool = False) -> Output:
        """As model.DeepseekV3.forward; there is nothing to route, and nothing ahead."""
        x = self.model.embed_tokens(ids)
        mask = None if documents is None else document_mask(documents, x)
        rope = rope_table(torch.arange(ids.shape[1], device=ids.device),
                          self.c.hidden_size // self.c.num_attention_heads, self.c.rope_theta)
        for layer in self.model.layers:
            x = layer(x, rope, mask)
        return Output(head(self.lm_head, self.model.norm(x)), None, None)
