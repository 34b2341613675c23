"""Tunings from Python and the command: measured, read back, and what exact=False makes of a real model."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
from conftest import GOLDENS

import pensee

CLI = os.environ.get("PENSEE_CLI") or shutil.which("pensee")
SMALL = GOLDENS / "v3_as_shipped"  # BF16, latent attention and experts


def test_a_tuning_is_measured_and_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "tuning.json"
    told: list[float] = []
    with pensee.Model(SMALL, threads=1) as model:
        model.tune(path, progress=told.append)  # type: ignore[arg-type]
    assert told == sorted(told) and told[-1] == 1
    file = json.loads(path.read_text())
    assert {row["x_rows"] for row in file["measured"]} == {1, 4, 16, 64, 256, 512}
    assert {"native"} <= {row["backend"] for row in file["measured"]} <= {"native", "onednn", "blas"}
    assert all(row["seconds"] > 0 for row in file["measured"])
    assert {row["type"] for row in file["table"]} <= {row["type"] for row in file["measured"]}
    with pensee.Model(SMALL, exact=False, tuning_file=path) as model:
        assert model.info.backend.startswith("native")


def test_errors_name_the_file(tmp_path: pathlib.Path) -> None:
    missing = tmp_path / "missing.json"
    with pytest.raises(pensee.Error, match="missing.json"):
        pensee.Model(SMALL, exact=False, tuning_file=missing)
    with pensee.Model(SMALL, tuning_file=missing) as model:  # exact: not read
        assert model.info.backend == "native"
        with pytest.raises(pensee.Error) as caught:
            model.tune(tmp_path / "cancelled.json", progress=lambda fraction: False)
    assert caught.value.status == pensee.Status.CANCELLED
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(CLI is None, reason="no pensee command: set PENSEE_CLI")
def test_the_command_prints_the_table_and_keeps_the_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "tuning.json"
    command = [str(CLI), "bench", str(SMALL), "--threads", "1", "--tune-file", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("| BF16") and "| native float " in line for line in lines) >= 5
    table = json.loads(path.read_text())["table"]
    assert lines[-1] == "native for everything else"
    assert lines[-1 - len(table) : -1] == [
        f"{row['type']} ({row['activations']} activations): {row['backend']} from {row['from_rows']} rows on"
        for row in table
    ]
    with pensee.Model(SMALL, exact=False, tuning_file=path) as model:
        assert len(model.logits(list(range(20)))) == 20


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Of all rows as one vector."""
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_int8_activations_of_a_real_model_stay_near_float32(smollm2_path: pathlib.Path) -> None:
    oracle = json.loads((GOLDENS / "smollm2_greedy.json").read_text(encoding="utf-8"))
    ids = oracle["passage"]["ids"]
    try:
        with pensee.Model(smollm2_path, backend="blas") as model:  # float32 on the decoded weights
            truth = model.logits(ids)
    except pensee.Error as error:
        assert error.status == pensee.Status.UNSUPPORTED
        pytest.skip(str(error))
    for options, least in (({}, 0.999999), ({"activations": "int8"}, 0.9995), ({"exact": False}, 0.9995)):
        with pensee.Model(smollm2_path, **options) as model:  # type: ignore[arg-type]
            assert cosine(truth, model.logits(ids)) >= least, options
