"""Where the tests' models come from: the goldens in the repository, a small thinking model that is made here, and
SmolLM2, which tests/fetch_data.py brings (skipped where it cannot)."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

import pensee

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GOLDENS = ROOT / "tests" / "goldens" / "data"
sys.path.insert(0, str(HERE))

import tiny  # noqa: E402

# Whoever starts us in the background lets us ignore Ctrl-C, and with us the processes that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def thinker_path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("thinker")
    tiny.write_model(folder)
    return folder


@pytest.fixture(scope="session")
def thinker(thinker_path: pathlib.Path) -> Iterator[pensee.Model]:
    """A small random model that thinks without end unless it is stopped."""
    with pensee.Model(thinker_path, threads=2) as model:
        yield model


@pytest.fixture(scope="session")
def forms(thinker: pensee.Model) -> None:
    """For tests that hold answers to a form: skipped where constrained decoding is not built in."""
    try:
        thinker.ask("Hi", regex="a", max_tokens=5, think_budget=0)
    except pensee.Error as error:
        if error.status != pensee.Status.UNSUPPORTED:
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def experts() -> Iterator[pensee.Model]:
    """A small DeepSeek-V3 with 16 experts, 4 a token; it has no tokenizer: prompts are token ids."""
    with pensee.Model(GOLDENS / "deepseek_v3", threads=2) as model:
        yield model


@pytest.fixture(scope="session")
def slow_path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Large enough that loading and scoring take a while: 25 million parameters."""
    folder = tmp_path_factory.mktemp("slow")
    tiny.write_model(folder, hidden_size=512, num_layers=8)
    return folder


@pytest.fixture(scope="session")
def smollm2_path() -> pathlib.Path:
    folder = pathlib.Path(os.environ.get("PENSEE_DATA") or ROOT / ".cache" / "data")
    path = folder / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not path.is_file():
        command = [sys.executable, str(ROOT / "tests" / "fetch_data.py"), "smollm2", "--dir", str(folder)]
        fetched = subprocess.run(command, capture_output=True, text=True, check=False)
        if fetched.returncode != 0:
            pytest.skip("SmolLM2 is not here and cannot be fetched: " + fetched.stderr.strip()[-300:])
    return path


@pytest.fixture(scope="session")
def smollm2(smollm2_path: pathlib.Path) -> Iterator[pensee.Model]:
    with pensee.Model(smollm2_path) as model:
        yield model
