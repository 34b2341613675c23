"""A run's folder: log.jsonl (a line a step), NAME.ckpt (where it stands), NAME.pt (the model it gave)."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import tokenizer as tokens
import torch
from tqdm import tqdm


class Run:
    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def log_path(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def checkpoint_path(self) -> Path:
        return self.folder / f"{self.name}.ckpt"

    @property
    def model_path(self) -> Path:
        return self.folder / f"{self.name}.pt"

    def log(self, line: dict[str, Any]) -> None:
        rounded = {key: round(value, 6) if isinstance(value, float) else value for key, value in line.items()}
        with self.log_path.open("a") as file:
            file.write(json.dumps({"stage": self.name} | rounded) + "\n")

    def cut_log(self, step: int) -> None:
        """Forgets this stage's lines after the step where it goes on; what was tested there is tested again."""
        if not self.log_path.exists():
            return
        lines = self.log_path.read_text().splitlines()

        def stays(line: dict[str, Any]) -> bool:
            return line.get("stage") != self.name or line["step"] < step + ("test" not in line)

        kept = [line for line in lines if stays(json.loads(line))]
        write(self.log_path, "".join(line + "\n" for line in kept))

    def save(self, state: dict[str, Any]) -> None:
        """Whole or not at all."""
        part = self.checkpoint_path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.checkpoint_path)

    def checkpoint(self, device: str) -> dict[str, Any] | None:
        if not self.checkpoint_path.exists():
            return None
        return torch.load(self.checkpoint_path, map_location=device, weights_only=True)


def write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)


def log_of(folder: Path) -> list[dict[str, Any]]:
    path = folder / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def engine_folder(folder: Path, model: torch.nn.Module) -> Path:
    """A Hugging Face folder of this model, which the engine opens. safetensors is eight bytes with the length of a JSON
    header, the header, and the numbers: written here, so that training needs no package more."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokens.FOLDER / name, folder / name)
    (folder / "config.json").write_text(json.dumps(model.c.published()))
    header, arrays, at = {}, [], 0
    for name, weight in model.state_dict().items():
        array = weight.detach().float().cpu().contiguous().numpy()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        arrays.append(array)
        at += array.nbytes
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays:
            file.write(array.tobytes())
    return folder


def bar(total: int, first: int, hidden: bool) -> tqdm:
    return tqdm(total=total or None, initial=first, disable=hidden, unit=" steps", dynamic_ncols=True)
