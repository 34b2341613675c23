"""Whether these tests look at the wheel that people install or at a build tree."""

from __future__ import annotations

import importlib.metadata
import pathlib

import pensee


def with_default_model() -> bool:
    """False in a build tree or an editable install without one. A wheel always has one, or the tests that use it
    must fail."""
    module = pathlib.Path(pensee.__file__).resolve()
    if (module.parent / "pensee-mini.gguf").exists():
        return True
    try:
        files = importlib.metadata.distribution("pensee").files or []
    except importlib.metadata.PackageNotFoundError:
        return False
    return any(pathlib.Path(str(file.locate())).resolve() == module for file in files)
