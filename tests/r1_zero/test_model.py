"""The two architectures against transformers and against libpensee, and what training relies on inside them."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

torch = pytest.importorskip("torch")

LOGITS_MAX = 1e-4  # float32 sums in another order, over three layers; seen: 2e-6


@pytest.fixture(params=["mixture", "dense"])
def made(request: pytest.FixtureRequest):
    return request.getfixturevalue(request.param)


def some_ids(rows: int = 2, length: int = 90) -> torch.Tensor:
    return torch.randint(6, 1024, (rows, length), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_transformers_reads_the_folder_and_computes_the_same_logits(made, tmp_path: pathlib.Path) -> None:
    transformers = pytest.importorskip("transformers")
    import export

    export.write_folder(made, tmp_path)
    oracle = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    ids = some_ids()
    assert (made(ids).logits - oracle(ids).logits).abs().max() < LOGITS_MAX


@torch.no_grad()
@pytest.mark.parametrize("kind", ["folder", "f32"])
def test_libpensee_computes_the_same_logits_and_routing(made, kind: str, tmp_path: pathlib.Path) -> None:
    pensee = pytest.importorskip("pensee")
    import export

    path = tmp_path / ("folder" if kind == "folder" else "model.gguf")
    export.write_folder(made, path) if kind == "folder" else export.write_gguf(made, path, kind)
    ids = some_ids(1)
    out = made(ids)
    with pensee.Model(path, threads=1) as engine:
        assert np.abs(engine.logits(ids[0].tolist()) - out.logits[0].numpy()).max() < LOGITS_MAX
        if out.routing is not None:
            _, routing = engine.score(ids[0].tolist(), trace=True)
            assert np.array_equal(np.sort(routing.expert_ids), np.sort(out.routing[0].numpy()))


@torch.no_grad()
def test_weights_in_memory_reach_the_engine(mixture, tmp_path: pathlib.Path) -> None:
    pensee = pytest.importorskip("pensee")
    import export

    export.write_folder(mixture, tmp_path)
    ids = some_ids(1)
    with pensee.Model(tmp_path, threads=1) as engine:
        for weight in mixture.parameters():
            weight.mul_(0.9)
        engine.set_weights({name: weight.contiguous() for name, weight in mixture.state_dict().items()})
        assert np.abs(engine.logits(ids[0].tolist()) - mixture(ids).logits[0].numpy()).max() < LOGITS_MAX


@torch.no_grad()
def test_documents_in_one_row_do_not_see_each_other(made) -> None:
    ids = some_ids(1, 60)
    documents = torch.ones_like(ids)
    documents[:, 25:] = 2
    documents[:, 50:] = 0
    packed = made(ids, documents).logits
    for part in (slice(0, 25), slice(25, 50)):
        assert (packed[:, part] - made(ids[:, part]).logits).abs().max() < LOGITS_MAX


@torch.no_grad()
def test_all_experts_at_once_and_one_by_one_agree(mixture) -> None:
    moe = mixture.model.layers[1].mlp
    x = torch.randn(50, 64)
    chosen, weights = moe.gate(x, None)
    gap = moe.experts.all_experts(x, chosen, weights) - moe.experts.by_expert(x, chosen, weights)
    assert gap.abs().max() < 1e-5


def test_the_bias_chooses_and_does_not_weigh(mixture) -> None:
    gate = mixture.model.layers[1].mlp.gate
    x = torch.randn(40, 64)
    gate.e_score_correction_bias[3] = 10.0
    chosen, weights = gate(x, None)
    assert (chosen == 3).any(1).all()
    gate.e_score_correction_bias.zero_()
    _, replayed = gate(x, chosen)
    assert torch.equal(weights, replayed)


@torch.no_grad()
def test_a_replayed_routing_gives_the_same_logits_whatever_the_bias(mixture) -> None:
    ids = some_ids()
    out = mixture(ids)
    for router in mixture.routers():
        router.e_score_correction_bias.normal_(0, 5)
    assert not torch.allclose(mixture(ids).logits, out.logits, atol=1e-2)
    assert torch.allclose(mixture(ids, routing=out.routing).logits, out.logits, atol=1e-5)


@torch.no_grad()
def test_the_bias_update_evens_out_a_lopsided_router(mixture) -> None:
    import model

    ids, speed = some_ids(8), 0.02
    real = torch.ones_like(ids, dtype=torch.bool)

    def imbalance() -> float:
        load = model.expert_load(mixture(ids, mtp=True).routing, real, 8)
        model.balance(mixture, load, speed)
        return (load.max(1).values / load.mean(1)).max().item()

    before = imbalance()
    for _ in range(80):
        after = imbalance()
    assert before > 1.5 > 1.2 > after


@torch.no_grad()
def test_the_load_counts_no_padding(mixture) -> None:
    import model

    ids = some_ids(2, 30)
    real = torch.ones_like(ids, dtype=torch.bool)
    real[:, 20:] = False
    whole, cut = mixture(ids).routing, mixture(ids[:, :20]).routing
    assert torch.equal(model.expert_load(whole, real, 8), model.expert_load(cut, real[:, :20], 8))
