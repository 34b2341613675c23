#!/usr/bin/env python3
"""Makes data/<case>/routing.safetensors: which experts transformers' router chooses, and what other experts give.

For prompts K of the case's golden.safetensors: `experts.K` and `weights.K` [tokens, mixtures, num_experts_per_tok] as
the gate returns them, sorted by expert; then `replay.K`, other experts drawn at random, and `replay_logits.K` [tokens,
vocab]: the logits when each gate returns these instead, with the weights that the model's formula gives them from the
gate's own scores.

  python3 tests/goldens/make_routing.py     (needs torch, transformers and safetensors)
"""

import pathlib

import make_goldens
import torch
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
CASES = ("v3_odd", "v3_as_shipped", "v2_group_odd")
PROMPTS = (0, 1)


def weigh(config, router_logits: torch.Tensor, experts: torch.Tensor) -> torch.Tensor:
    """V3 report, equations 13 to 15; V2 report, equation 21."""
    if config.model_type == "deepseek_v3":
        weights = router_logits.sigmoid().gather(1, experts)
        if config.norm_topk_prob:
            weights = weights / weights.sum(dim=1, keepdim=True)
    else:
        weights = router_logits.softmax(dim=1).gather(1, experts)
    return weights * config.routed_scaling_factor


@torch.no_grad()
def make_case(name: str) -> None:
    folder = HERE / "data" / name
    golden = load_file(folder / "golden.safetensors")
    model = make_goldens.read_folder(folder)
    gates = [layer.mlp.gate for layer in model.model.layers if hasattr(layer.mlp, "gate")]
    generator = torch.Generator().manual_seed(7)
    out = {}
    for k in PROMPTS:
        ids = golden[f"ids.{k}"].view(1, -1)
        seen = []
        hooks = [gate.register_forward_hook(lambda gate, inputs, output: seen.append(output)) for gate in gates]
        model(ids, use_cache=False)
        for hook in hooks:
            hook.remove()
        experts = torch.stack([output[2] for output in seen], dim=1)
        weights = torch.stack([output[1] for output in seen], dim=1)
        for layer, (router_logits, _, _) in enumerate(seen):  # the formula above is the library's
            torch.testing.assert_close(weigh(model.config, router_logits, experts[:, layer]), weights[:, layer])
        experts, order = experts.sort(dim=2)
        out[f"experts.{k}"], out[f"weights.{k}"] = experts.contiguous(), weights.gather(2, order).contiguous()

        draws = torch.rand(*experts.shape[:2], model.config.n_routed_experts, generator=generator)
        replay = draws.topk(experts.shape[2], dim=2).indices
        assert not torch.equal(replay.sort(dim=2).values, experts)
        hooks = [
            gate.register_forward_hook(
                lambda gate, inputs, output, layer=layer: (
                    output[0], weigh(model.config, output[0], replay[:, layer]), replay[:, layer]))
            for layer, gate in enumerate(gates)
        ]
        out[f"replay.{k}"] = replay.contiguous()
        out[f"replay_logits.{k}"] = model(ids, use_cache=False).logits[0].float().contiguous()
        for hook in hooks:
            hook.remove()
    save_file(out, folder / "routing.safetensors")
    print(f"{name:16} {(folder / 'routing.safetensors').stat().st_size / 1e3:6.0f} kB")


for case in CASES:
    make_case(case)
