"""The mean of two models, against the arithmetic of their tensors."""

import argparse

import model as architecture
import pretrain
import pytest
import torch

SMALL = architecture.Config(hidden_size=64, num_hidden_layers=2, intermediate_size=64, n_routed_experts=4,
                            moe_intermediate_size=32, vocab_size=64)  # fmt: skip


def saved(path, seed, config=SMALL):
    torch.manual_seed(seed)
    made = architecture.DeepseekV3(config)
    pretrain.save_model(made, path)
    return made.state_dict()


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_every_weight_is_the_weighted_mean(tmp_path, share):
    import average

    first, second = saved(tmp_path / "a.pt", 1), saved(tmp_path / "b.pt", 2)
    average.average(argparse.Namespace(start=tmp_path / "a.pt", other=tmp_path / "b.pt", out=tmp_path, share=share))
    mean = pretrain.load_model(tmp_path / "average.pt").state_dict()
    assert mean.keys() == first.keys()
    for name, weight in mean.items():
        expected = first[name].double() * (1 - share) + second[name].double() * share
        torch.testing.assert_close(weight.double(), expected, rtol=1e-5, atol=1e-7)


def test_models_of_other_shapes_are_refused(tmp_path):
    import average

    saved(tmp_path / "a.pt", 1)
    saved(tmp_path / "b.pt", 2, architecture.Config(hidden_size=64, num_hidden_layers=3, intermediate_size=64,
          n_routed_experts=4, moe_intermediate_size=32, vocab_size=64))  # fmt: skip
    with pytest.raises(SystemExit, match="different shapes"):
        average.average(argparse.Namespace(start=tmp_path / "a.pt", other=tmp_path / "b.pt", out=tmp_path, share=0.5))
