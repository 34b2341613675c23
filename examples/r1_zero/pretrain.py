"""Supervised training: of the base model on mixed documents, and of later stages on replies. One function, `fit`.

    python pretrain.py --out runs/base --seconds 7200            on two CPU cores
    python pretrain.py --out runs/base --seconds 300 --device cuda

The run ends after --steps or --seconds, whichever comes first, and the learning rate falls to zero towards that end.
Killed at any moment, the same command goes on from the last checkpoint, and ends where it would have ended.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import time

import torch
import torch.nn.functional as F
import tqdm
from torch import Tensor, nn

import data
import model as architecture
import ranks
import runs
from optimizer import Optimizer, schedule


@dataclasses.dataclass
class Settings:
    rows: int = 0  # a step, on each rank; 0: 128 on a GPU, 16 else
    length: int = 512  # longer documents are left out
    steps: int = 0  # 0: as many as fit into the seconds
    seconds: float = 0.0
    rate: float = 8e-3
    optimizer: str = "muon"
    weight_decay: float = 0.1
    warmup: int = 50  # steps
    decay: float = 0.8  # share of the run in which the rate falls
    clip: float = 1.0
    mtp_weight: float = 0.3  # V3 report, 4.2
    balance: float = 1.25  # speed of the router's bias by the learning rate; V3 report, 4.2: 1e-3 at 2.2e-4
    seed: int = 1
    workers: int = -1  # processes that make batches; -1: one a core, but for one
    device: str = "cpu"
    compile: bool = True
    log_every: int = 20
    save_every: float = 120.0  # seconds

    def __post_init__(self) -> None:
        self.rows = self.rows or (128 if self.device == "cuda" else 16)
        self.workers = max(1, ranks.cores() - 1) if self.workers < 0 else self.workers


def to_device(batch: data.Batch, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """ids, documents, trained."""
    ids, documents, trained = (torch.from_numpy(part) for part in batch)
    whole = torch.stack((ids.to(torch.int16), documents.to(torch.int16), trained.to(torch.int16)))
    if device != "cpu":
        whole = whole.pin_memory().to(device, non_blocking=True)
    return whole[0].long(), whole[1].long(), whole[2] > 0


def ahead_loss(logits: Tensor, ids: Tensor, documents: Tensor, trained: Tensor, ahead: int) -> Tensor:
    """Mean cross entropy of the tokens `ahead` of each position, in the same document."""
    same = documents[:, ahead:] == documents[:, :-ahead]
    counted = (trained[:, ahead:] & same).float()
    losses = F.cross_entropy(logits[:, :-ahead].flatten(0, 1), ids[:, ahead:].flatten(), reduction="none")
    return (losses.view_as(counted) * counted).sum() / counted.sum().clamp(min=1)


def mixed_precision(device: str):
    """BF16 products where the machine has instructions for them: on two such cores it reads 1.6 times the tokens."""
    fast = device == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device, torch.bfloat16) if fast else contextlib.nullcontext()


class Trainer:
    """A model, its optimizer and where they stand."""

    def __init__(self, model: nn.Module, settings: Settings):
        self.model, self.s = model.to(settings.device), settings
        self.optimizer = Optimizer(model, settings.optimizer, settings.weight_decay)
        self.step, self.tokens, self.spent = 0, 0, 0.0
        self.mixture = isinstance(model, architecture.DeepseekV3)
        self.loss = ahead_loss
        if settings.device == "cuda":
            torch.set_float32_matmul_precision("high")
            if settings.compile:
                self.compile()

    def compile(self) -> None:
        """Layer by layer: equal layers are compiled once. Where the machine cannot, train_step goes back."""
        for layer in self.model.model.layers:
            layer.compile(dynamic=False)
        self.loss = torch.compile(ahead_loss, dynamic=False)

    def uncompile(self, why: Exception) -> None:
        print(f"not compiled: {type(why).__name__}: {str(why)[:300]}")
        for layer in self.model.model.layers:
            layer._compiled_call_impl = None
        self.loss = ahead_loss

    def losses(self, ids: Tensor, documents: Tensor, trained: Tensor) -> tuple[Tensor, Tensor, architecture.Output]:
        with mixed_precision(self.s.device):
            out = self.model(ids, documents, mtp=self.mixture and self.s.mtp_weight > 0)
        main = self.loss(out.logits, ids, documents, trained, 1)
        ahead = main.new_zeros(()) if out.mtp_logits is None else self.loss(out.mtp_logits, ids, documents, trained, 2)
        return main, ahead, out

    def backward(self, ids: Tensor, documents: Tensor, trained: Tensor):
        main, ahead, out = self.losses(ids, documents, trained)
        ((main + self.s.mtp_weight * ahead) / ranks.count()).backward()  # gradients are summed
        return main.detach(), ahead.detach(), out.routing

    def train_step(self, batch: data.Batch, fraction: float) -> dict[str, Tensor]:
        tensors = to_device(batch, self.s.device)
        try:
            main, ahead, routing = self.backward(*tensors)
        except Exception as why:
            if self.loss is ahead_loss or isinstance(why, torch.OutOfMemoryError):
                raise
            self.uncompile(why)
            self.optimizer.zero_grad()
            main, ahead, routing = self.backward(*tensors)
        ranks.add_gradients(self.model.parameters())
        norm = self.optimizer.clip(self.s.clip)
        rate = self.s.rate * schedule(self.step, fraction, self.s.warmup, self.s.decay)
        self.optimizer.step(rate)
        self.optimizer.zero_grad()
        told = dict(loss=main, mtp_loss=ahead, gradient=norm)
        if routing is not None:
            load = ranks.add(architecture.expert_load(routing, tensors[1] > 0, self.model.c.n_routed_experts))
            architecture.balance(self.model, load, self.s.balance * rate)
            told["load"] = load / load.mean(1, keepdim=True)
        self.step += 1
        self.tokens += int((batch.documents > 0).sum()) * ranks.count()
        return told

    def save(self, path: pathlib.Path) -> None:
        if ranks.rank() == 0:
            save(path, dict(model=self.model.state_dict(), optimizer=self.optimizer.state_dict(), step=self.step,
                            tokens=self.tokens, spent=self.spent, settings=dataclasses.asdict(self.s)))

    def load(self, path: pathlib.Path) -> None:
        state = torch.load(path, map_location=self.s.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.tokens, self.spent = state["step"], state["tokens"], state["spent"]


def save(path: pathlib.Path, state: dict) -> None:
    """Whole or not at all. Views of stacked experts are stored as tensors of their own."""
    state["model"] = {name: weight.float().cpu().clone() for name, weight in state["model"].items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    torch.save(state, part)
    os.replace(part, path)


def measure(trainer: Trainer, batches: list[data.Batch]) -> dict[str, float]:
    """On documents apart: losses in nats a token, and how often the prediction layer agrees with the head. Gradients
    are recorded for nothing: without, all layers would be compiled once more."""
    sums = torch.zeros(3)
    for batch in batches:
        ids, documents, trained = to_device(batch, trainer.s.device)
        main, ahead, out = trainer.losses(ids, documents, trained)
        sums[:2] += torch.stack((main, ahead)).detach().cpu()
        if out.mtp_logits is not None:
            counted = trained[:, 2:] & (documents[:, 2:] == documents[:, :-2])
            agreed = out.mtp_logits[:, :-2].argmax(-1) == out.logits[:, 1:-1].argmax(-1)
            sums[2] += (agreed & counted).sum().cpu() / counted.sum().cpu()
    return dict(zip(("held_out_loss", "held_out_mtp_loss", "mtp_agreement"), (sums / len(batches)).tolist()))


def fit(model: nn.Module, source: data.Source, settings: Settings, out: pathlib.Path, name: str,
        replies_only: bool = False) -> dict[str, float]:
    """Trains until the end of its steps or seconds, and writes OUT/NAME.pt; OUT/NAME.ckpt is where it stands between,
    OUT/log.jsonl how it went. A run whose NAME.ckpt is there goes on; one that has ended returns at once."""
    s = settings
    checkpoint, log = out / f"{name}.ckpt", out / "log.jsonl"
    made = dict(rows=s.rows, length=s.length, replies_only=replies_only)
    batches = data.Batches(source, seed=f"{s.seed} {name}", workers=s.workers, rank=ranks.rank(),
                           ranks=ranks.count(), **made)
    apart = data.Batches(source, seed=f"{s.seed} {name} held out", **made)
    held_out = [apart.make(i) for i in range(max(1, 8192 // (s.rows * s.length)))]
    trainer = Trainer(model, s)
    if checkpoint.exists():
        trainer.load(checkpoint)
        if ranks.rank() == 0:
            runs.Run(out, name).cut_log(trainer.step)
    begun, saved, spent_before = time.monotonic(), time.monotonic(), trainer.spent
    bar = tqdm.tqdm(desc=name, unit="%", total=100, disable=ranks.rank() > 0, mininterval=2,
                    bar_format="{l_bar}{bar}| {postfix}")

    def fraction() -> float:
        trainer.spent = spent_before + time.monotonic() - begun
        share = torch.tensor(max(trainer.step / s.steps if s.steps else 0.0,
                                 trainer.spent / s.seconds if s.seconds else 0.0), dtype=torch.float64)
        return min(1.0, ranks.add(share).item() / ranks.count())  # of one mind when to stop

    out.mkdir(parents=True, exist_ok=True)
    lines = open(log, "a") if ranks.rank() == 0 else contextlib.nullcontext()
    since, tokens_since = time.monotonic(), trainer.tokens
    with lines as file:
        stream = batches.from_step(trainer.step)
        while (at := fraction()) < 1:
            told = trainer.train_step(next(stream), at)
            if trainer.step % s.log_every == 0 and file:
                line = {key: round(value.item(), 5) for key, value in told.items() if value.dim() == 0}
                speed = (trainer.tokens - tokens_since) / (time.monotonic() - since)
                since, tokens_since = time.monotonic(), trainer.tokens
                if "load" in told:
                    line |= dict(load_max=round(told["load"].max().item(), 3),
                                 load_min=round(told["load"].min().item(), 3))
                line = dict(stage=name, step=trainer.step, seconds=round(trainer.spent, 1), tokens=trainer.tokens,
                            speed=round(speed)) | line
                if trainer.step % (50 * s.log_every) == 0:
                    line |= {key: round(value, 5) for key, value in measure(trainer, held_out).items()}
                    if "load" in told:
                        line["load"] = [[round(x, 2) for x in layer] for layer in told["load"].tolist()]
                file.write(json.dumps(line) + "\n")
                file.flush()
                bar.set_postfix_str(f"step {trainer.step} loss {line['loss']:.4f} mtp {line['mtp_loss']:.4f} "
                                    f"load <= {line.get('load_max', 0):.2f} {speed:,.0f} tokens/s", refresh=False)
                bar.update(round(100 * at - bar.n, 1))
            if time.monotonic() - saved > s.save_every:
                trainer.save(checkpoint)
                saved = time.monotonic()
        stream.close()
        bar.close()
        result = measure(trainer, held_out) | dict(step=trainer.step, tokens=trainer.tokens, seconds=trainer.spent)
        if file:
            file.write(json.dumps(dict(stage=name, end=True) | result) + "\n")
    trainer.save(checkpoint)
    if ranks.rank() == 0:
        save_model(model, out / f"{name}.pt", seed=s.seed, tokens=trainer.tokens, stage=name)
    return result


def save_model(model: nn.Module, path: pathlib.Path, **facts) -> None:
    """A model alone: what export.py and the next stage read."""
    save(path, dict(model=model.state_dict(), config=model.c.published(), **facts))


def load_model(path: pathlib.Path, device: str = "cpu") -> nn.Module:
    state = torch.load(path, map_location=device, weights_only=True)
    if state["config"]["model_type"] == "deepseek_v3":
        model: nn.Module = architecture.DeepseekV3(architecture.Config.read(state["config"]))
    else:
        import student
        model = student.Qwen2(student.Config.read(state["config"]))
    model.load_state_dict(state["model"])
    return model.to(device)


def add_settings(parser: argparse.ArgumentParser) -> None:
    for field in dataclasses.fields(Settings):
        if field.type is bool:
            parser.add_argument(f"--{field.name}", action=argparse.BooleanOptionalAction, default=field.default)
        else:
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=field.type, default=field.default)


def settings_of(args: argparse.Namespace) -> Settings:
    return Settings(**{field.name: getattr(args, field.name) for field in dataclasses.fields(Settings)})


def main() -> None:
    import documents

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    add_settings(parser)
    args = parser.parse_args()
    ranks.start(args.device)
    torch.manual_seed(args.seed)
    model = architecture.DeepseekV3(architecture.Config())
    print(fit(model, documents.pretraining, settings_of(args), args.out, "base"))
    ranks.stop()


if __name__ == "__main__":
    main()
