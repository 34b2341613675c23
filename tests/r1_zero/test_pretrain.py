"""`fit` and the optimizer: cut off and gone on is straight through; what is learnt shows in the engine."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
from conftest import SMALL, letters

torch = pytest.importorskip("torch")

import data  # noqa: E402
import export  # noqa: E402
import model as architecture  # noqa: E402
import optimizer  # noqa: E402
import pretrain  # noqa: E402


def fresh() -> architecture.DeepseekV3:
    torch.manual_seed(3)
    return architecture.DeepseekV3(architecture.Config(**SMALL))


def settings(**changes) -> pretrain.Settings:
    return pretrain.Settings(**(dict(rows=4, length=128, steps=8, workers=0, log_every=2) | changes))


class Counted:
    """A source that breaks off at its `last` document."""

    def __init__(self, last: int = 0):
        self.count, self.last = 0, last

    def __call__(self, rng) -> str:
        self.count += 1
        if self.count == self.last:
            raise KeyboardInterrupt
        return letters(rng)


def test_training_cut_off_and_resumed_equals_training_straight(tmp_path: pathlib.Path) -> None:
    straight, source = fresh(), Counted()
    pretrain.fit(straight, source, settings(), tmp_path / "a", "base")
    with pytest.raises(KeyboardInterrupt):
        pretrain.fit(fresh(), Counted(int(0.85 * source.count)), settings(save_every=0.0), tmp_path / "b", "base")
    assert 0 < torch.load(tmp_path / "b" / "base.ckpt", weights_only=True)["step"] < 8
    resumed = fresh()
    pretrain.fit(resumed, letters, settings(), tmp_path / "b", "base")
    for (name, one), other in zip(straight.state_dict().items(), resumed.state_dict().values()):
        assert torch.equal(one, other), name
    logs = [[line.split('"loss"')[1] for line in (tmp_path / run / "log.jsonl").read_text().splitlines()[:-1]]
            for run in "ab"]
    assert logs[0] == logs[1]


def test_a_run_that_has_ended_is_not_trained_further(tmp_path: pathlib.Path) -> None:
    model = fresh()
    first = pretrain.fit(model, letters, settings(steps=3), tmp_path, "base")
    again = pretrain.fit(fresh(), letters, settings(steps=3), tmp_path, "base")
    assert first["step"] == again["step"] == 3
    assert first["held_out_loss"] == again["held_out_loss"]


def test_the_saved_model_is_the_trained_one(tmp_path: pathlib.Path) -> None:
    model = fresh()
    pretrain.fit(model, letters, settings(steps=2), tmp_path, "base")
    again = pretrain.load_model(tmp_path / "base.pt")
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))


@pytest.mark.parametrize("shape", [(3, 40, 24), (2, 24, 40)])
def test_orthogonalised_singular_values_are_near_one(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    values = torch.linalg.svdvals(optimizer.orthogonalise(x))
    assert values.min() > 0.6 and values.max() < 1.3


def test_the_rate_rises_and_falls_to_zero() -> None:
    shares = [optimizer.schedule(i, i / 1000, 100, 0.5) for i in range(1001)]
    assert max(shares) == 1 and shares[-1] == 0 and shares[49] == pytest.approx(0.5)
    assert shares[100:500] == [1.0] * 400 and shares[750] == pytest.approx(0.5)


def test_guesses_of_the_prediction_layer_come_true_in_the_engine(tmp_path: pathlib.Path) -> None:
    pensee = pytest.importorskip("pensee")
    model = fresh()
    pretrain.fit(model, letters, settings(steps=60, rows=8, rate=1e-2, warmup=5), tmp_path, "base")

    def accepted(path: pathlib.Path) -> float:
        """Share of the engine's guesses one token ahead. How many it makes follows from what they pay."""
        export.write_gguf(model.eval(), path, "f32")
        drafted = true = 0
        with pensee.Model(path, threads=1) as engine:
            for first in "abcdefghijklmnopqrstuvwxyz":
                text = f"<|user|>From {first}, 14<|assistant|><think>\n14 letters\n</think>\n\n{first}"
                prompt = engine.tokenize(text)
                plain, guessed = (engine.ask(prompt, temperature=0, max_tokens=60, speculation=kind, draft_max=1)
                                  for kind in ("off", "mtp"))
                assert plain.token_ids == guessed.token_ids
                drafted, true = drafted + guessed.usage.drafted_tokens, true + guessed.usage.accepted_tokens
        assert drafted >= 20
        return true / drafted

    assert accepted(tmp_path / "model.gguf") > 0.7
    with torch.no_grad():  # hidden state and embedding in the wrong order
        joint = model.model.layers[-1].eh_proj.weight
        joint.copy_(joint.roll(joint.shape[1] // 2, 1))
    assert accepted(tmp_path / "wrong.gguf") < 0.5


RANK = """
import sys
sys.path[:0] = sys.argv[2:]
import pathlib, ranks, pretrain, test_pretrain
ranks.start("cpu")
model = test_pretrain.fresh()
pretrain.fit(model, test_pretrain.letters, test_pretrain.settings(steps=3), pathlib.Path(sys.argv[1]), "base")
pretrain.save_model(model, pathlib.Path(sys.argv[1]) / f"rank{ranks.rank()}.pt")
ranks.stop()
"""


def test_two_ranks_learn_as_one_process_does_from_both_their_batches(tmp_path: pathlib.Path) -> None:
    (tmp_path / "rank.py").write_text(RANK)
    here = pathlib.Path(__file__).resolve().parent
    subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
                    tmp_path / "rank.py", tmp_path, here, here.parent.parent / "examples" / "r1_zero"], check=True)
    models = [pretrain.load_model(tmp_path / f"rank{rank}.pt") for rank in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(models[0].state_dict().values(), models[1].state_dict().values()))

    trainer = pretrain.Trainer(fresh(), settings(steps=3))
    batches = data.Batches(letters, 4, 128, "1 base")
    for step in range(3):
        loads = []
        for part in range(2):
            tensors = pretrain.to_device(batches.make(2 * step + part), "cpu")
            main, ahead, out = trainer.losses(*tensors)
            ((main + 0.3 * ahead) / 2).backward()
            loads.append(architecture.expert_load(out.routing, tensors[1] > 0, 8))
        trainer.optimizer.clip(1.0)
        rate = trainer.s.rate * optimizer.schedule(step, step / 3)
        trainer.optimizer.step(rate)
        trainer.optimizer.zero_grad()
        architecture.balance(trainer.model, sum(loads), 1.25 * rate)
    for (name, one), other in zip(trainer.model.state_dict().items(), models[0].state_dict().values()):
        assert (one - other).abs().max() < 1e-3, name  # Muon turns rounding into small turns; a step moves 1e-2
