"""The `pensee` command as a user meets it: what it prints where, its exit codes, colours, Ctrl-C, and errors that name
the file. The program is $PENSEE_CLI, else `pensee` on the PATH; without either the tests are skipped."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from typing import Any

import installed
import pytest
import tiny
from conftest import GOLDENS

import pensee

CLI = os.environ.get("PENSEE_CLI") or shutil.which("pensee")
pytestmark = pytest.mark.skipif(CLI is None, reason="no pensee command: set PENSEE_CLI")

TINY = str(GOLDENS / "deepseek_v3")
GGUF = GOLDENS / "gguf_qwen2_tied_q4_1" / "model.gguf"
IDS = ["--prompt-ids", "5,17,99,42", "--temperature", "0", "--ignore-eos"]
GREEDY = ["--temperature", "0", "--ignore-eos"]
ESC = "\x1b"
INTERRUPTED = 130


def run(*arguments: str, stdin: str | None = "", **more: Any) -> subprocess.CompletedProcess[str]:
    assert CLI is not None
    settings: dict[str, Any] = {"capture_output": True, "text": True, "errors": "replace", "timeout": 300, **more}
    return subprocess.run([CLI, *arguments], input=stdin, check=False, **settings)


def events(*arguments: str) -> list[dict[str, Any]]:
    done = run("run", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class Terminal:
    """The command with a pseudo-terminal as its standard input, output and error."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        assert CLI is not None
        self.text = ""
        settings = {**os.environ, "TERM": "xterm", **environment}
        if "NO_COLOR" not in environment:
            settings.pop("NO_COLOR", None)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(CLI, [CLI, *arguments], settings)

    def read(self, seconds: float = 60, until: str | None = None) -> str:
        """Reads to the end, or until all that was read holds `until`."""
        deadline = time.monotonic() + seconds
        while until is None or until not in self.text:
            ready, _, _ = select.select([self.fd], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"nothing came for {seconds} s after {self.text[-500:]!r}"
            try:
                data = os.read(self.fd, 4096)
            except OSError as error:  # Linux ends a terminal so
                assert error.errno == errno.EIO
                break
            if not data:
                break
            self.text += data.decode(errors="replace")
        return self.text

    def write(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def wait(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


# ---- usage ----------------------------------------------------------------------------------------------------------


def test_version_and_help_go_to_standard_output() -> None:
    assert re.fullmatch(r"pensee \d+\.\d+\.\d+\n", run("--version").stdout)
    assert "usage: pensee" in run("--help").stdout
    for command in ("run", "chat", "inspect", "tokenize", "bench"):
        done = run(command, "--help")
        assert done.returncode == 0
        assert f"usage: pensee {command}" in done.stdout
        assert "--threads" in done.stdout or command == "tokenize"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "usage"),
        (["frobnicate"], "frobnicate"),
        (["pack"], "MODEL"),
        (["run", TINY, "a", "b"], "quotes"),
        (["run", TINY, "a", "--frobnicate"], "--frobnicate"),
        (["run", TINY, "a", "--threads"], "--threads"),
        (["run", TINY, "a", "--threads", "many"], "many"),
        (["run", TINY, "a", "--top-p", "2"], "--top-p"),
        (["run", TINY, "a", "--temperature", "nan"], "--temperature"),
        (["run", TINY, "a", "--backend", "gpu"], "gpu"),
        (["run", TINY, "a", "--effort", "enormous"], "enormous"),
        (["run", TINY, "a", "--memory-budget", "8Q"], "8Q"),
        (["run", TINY, "--prompt-ids", "1,,2"], "--prompt-ids"),
        (["run", TINY, "a", "--prompt-ids", "1"], "--prompt-ids"),
        (["run", TINY, "a", "--n", "0"], "--n"),
        (["run", TINY, "a", "--vote", "3", "--n", "2"], "--vote"),
        (["run", TINY, "a", "--speculation", "wild"], "wild"),
        (["run", TINY, "a", "--tool-choice", "maybe"], "maybe"),
        (["run", TINY, "a", "--loop-guard", "maybe"], "maybe"),
        (["run", TINY, "a", "--cache", "f8"], "f8"),
        (["run", TINY, "a", "--logit-bias", "5"], "ID=BIAS"),
        (["run", TINY, "a", "--sampler-order", "top_k,luck"], "luck"),
        (["run", TINY, "a", "--answer-sampling", "luck=3"], "luck=3"),
        (["run", TINY, "a", "--answer-sampling", "top-p=2"], "--top-p"),
        (["run", TINY, "a", "--xtc-threshold", "0.7"], "--xtc-threshold"),
        (["inspect", TINY, TINY], "MODEL"),
        (["bench", TINY, "--depth", "x"], "--depth"),
    ],
)
def test_wrong_use_is_exit_code_2_and_named(arguments: list[str], named: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert named in done.stderr
    assert done.stdout == ""


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["run"], ["inspect"], ["bench"], ["chat"], ["tokenize"]])
def test_a_missing_file_is_named(command: list[str], tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "nowhere.gguf")
    done = run(*command, path, stdin="hello")
    assert done.returncode == 1
    assert path in done.stderr
    assert "PENSEE_FILE_NOT_FOUND" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("keep", [0, 10, 1000, 40000])
def test_a_truncated_gguf_is_named(keep: int, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(GGUF.read_bytes()[:keep])
    done = run("run", str(path), *IDS)
    assert done.returncode == 1
    assert str(path) in done.stderr
    assert "PENSEE_FILE_CORRUPT" in done.stderr


def test_a_folder_without_config_is_named(tmp_path: pathlib.Path) -> None:
    done = run("run", str(tmp_path), *IDS)
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
    assert "config.json" in done.stderr


def test_bad_requests_are_errors_of_the_library() -> None:
    for arguments, status in [
        ([TINY, "a question, but no tokenizer"], "PENSEE_UNSUPPORTED"),
        ([TINY, "--prompt-ids", "5,100000"], "PENSEE_BAD_ARGUMENT"),
        ([TINY, "--prompt-ids", ",".join(["7"] * 600)], "PENSEE_CONTEXT_FULL"),
        ([TINY, *IDS, "--memory-budget", "1K"], "PENSEE_OUT_OF_MEMORY"),
    ]:
        done = run("run", *arguments)
        assert done.returncode == 1, done.stdout
        assert status in done.stderr
        assert ESC not in done.stdout + done.stderr


# ---- run ------------------------------------------------------------------------------------------------------------


def test_json_tells_each_token_and_the_end() -> None:
    lines = events(TINY, *IDS, "--max-tokens", "12", "--top-logprobs", "2")
    tokens, end = [line for line in lines if "token_id" in line], lines[-1]
    assert len(tokens) == 12
    assert all(line["kind"] in ("thought", "answer") for line in lines[:-1])
    assert [line["position"] for line in tokens] == list(range(tokens[0]["position"], tokens[0]["position"] + 12))
    for line in tokens:
        assert line["logprob"] <= 0
        assert [entry["token_id"] for entry in line["alternatives"]][0] == line["token_id"]
        assert len(line["alternatives"]) == 2
    assert end["kind"] == "end"
    assert end["finish_reason"] == "length"
    usage = end["usage"]
    assert usage["prompt_tokens"] == 4
    assert usage["thought_tokens"] + usage["answer_tokens"] == 12
    assert usage["seconds"] >= usage["seconds_to_first_token"] > 0


def test_same_ids_for_any_number_of_threads_and_greedy_equals_the_golden() -> None:
    golden = tiny.read_safetensors(GOLDENS / "deepseek_v3" / "golden.safetensors")
    ids, greedy = golden["ids.0"].tolist(), golden["greedy.0"].tolist()
    prompt = ["--prompt-ids", ",".join(map(str, ids)), "--temperature", "0", "--ignore-eos", "--max-tokens", "16"]
    for threads in ("1", "2", "3"):
        lines = events(TINY, *prompt, "--threads", threads)
        assert [line["token_id"] for line in lines if "token_id" in line] == greedy[:16]


def test_same_seed_same_text() -> None:
    sample = [TINY, "--prompt-ids", "5,17", "--temperature", "1.5", "--max-tokens", "20", "--ignore-eos", "--seed"]
    first, again, other = (
        [line.get("token_id") for line in events(*sample, seed)] for seed in ("7", "7", "8")
    )
    assert first == again
    assert first != other


def test_thought_and_answer_stand_apart_without_colour_in_a_pipe(thinker_path: pathlib.Path) -> None:
    ask = ["run", str(thinker_path), "Hi", *GREEDY, "--max-tokens", "40", "--think-budget", "10", "--budget-text", ""]
    done = run(*ask)
    assert done.returncode == 0, done.stderr
    assert ESC not in done.stderr
    thought, answer = done.stdout.split("\n[answer]\n")
    assert thought.startswith("[thought]\n")
    assert answer
    assert re.search(r"\d+ thought \+ \d+ answer tokens \| [\d.]+ tokens/s \| first token after [\d.]+ s", done.stderr)
    assert "parameters active" in done.stderr
    assert "[thought]" not in run(*ask, "--hide-thought").stdout
    quiet = run("run", str(thinker_path), "Hi", *GREEDY, "--max-tokens", "4", "--quiet")
    assert quiet.stderr == ""


def test_colours_can_be_forced_into_a_pipe(thinker_path: pathlib.Path) -> None:
    ask = ["run", str(thinker_path), "Hi", *GREEDY, "--max-tokens", "40", "--think-budget", "10", "--budget-text", ""]
    text = run(*ask, "--color", "always").stdout
    dim, bold = text.index(ESC + "[2m"), text.index(ESC + "[1m")
    assert 0 <= dim < text.index(ESC + "[0m") < bold
    assert text.rstrip().endswith(ESC + "[0m")


@pytest.mark.parametrize("question", [["-"], []])
def test_a_question_from_standard_input_is_the_same_question(thinker_path: pathlib.Path, question: list[str]) -> None:
    options = [*GREEDY, "--max-tokens", "12", "--quiet"]
    typed = run("run", str(thinker_path), "What is this?", *options)
    piped = run("run", str(thinker_path), *question, *options, stdin="What is this?\n")
    assert piped.stdout == typed.stdout != ""


def test_messages_and_raw_ids_are_prompts_too(thinker_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    conversation = tmp_path / "conversation.json"
    conversation.write_text(json.dumps([{"role": "user", "content": "Hi"}]))
    options = [*GREEDY, "--max-tokens", "12", "--quiet"]
    asked = run("run", str(thinker_path), "Hi", *options).stdout
    assert run("run", str(thinker_path), "--messages", str(conversation), *options).stdout == asked
    ids = run("tokenize", str(thinker_path), "--ids", "--template", "Hi").stdout.strip()
    assert [line.get("token_id") for line in events(str(thinker_path), "--prompt-ids", ids, *options)] == [
        line.get("token_id") for line in events(str(thinker_path), "Hi", *options)
    ]
    raw = events(str(thinker_path), "--raw", "Hi", *options)
    assert raw[-1]["usage"]["prompt_tokens"] == 2  # a token a byte


def test_a_closed_pipe_ends_the_command_quietly(thinker_path: pathlib.Path) -> None:
    assert CLI is not None
    command = [CLI, "run", str(thinker_path), "Hi", *GREEDY, "--json", "--think-budget", "-1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr.read() == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_told() -> None:
    assert CLI is not None
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([CLI, "inspect", TINY], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "No space left" in done.stderr


# ---- terminal -------------------------------------------------------------------------------------------------------


def test_a_terminal_gets_colours_and_a_bar(slow_path: pathlib.Path) -> None:
    budget = ["--max-tokens", "20", "--think-budget", "8", "--budget-text", ""]
    terminal = Terminal("run", str(slow_path), "Hi", *GREEDY, *budget)
    text = terminal.read()
    assert terminal.wait() == 0
    assert "loading [" in text
    assert text.index(ESC + "[2m") < text.index(ESC + "[0m") < text.index(ESC + "[1m")
    assert text.rindex(ESC + "[0m") > text.index(ESC + "[1m")


def test_no_color_is_honoured(thinker_path: pathlib.Path) -> None:
    terminal = Terminal("run", str(thinker_path), "Hi", *GREEDY, "--max-tokens", "20", "--no-stats", NO_COLOR="1")
    text = terminal.read()
    assert terminal.wait() == 0
    assert ESC + "[2m" not in text and ESC + "[1m" not in text
    assert "[thought]" in text


def test_control_c_stops_the_reply_and_resets_the_colours(slow_path: pathlib.Path) -> None:
    terminal = Terminal("run", str(slow_path), "Hi", *GREEDY)
    terminal.read(until=ESC + "[2m")
    terminal.write("\x03")  # what Ctrl-C sends; the terminal makes SIGINT of it
    text = terminal.read()
    assert terminal.wait() == INTERRUPTED
    assert ESC + "[0m" in text[text.index(ESC + "[2m") :]
    assert "cancelled" in text


def test_control_c_in_a_pipe_keeps_what_is_there(slow_path: pathlib.Path) -> None:
    assert CLI is not None
    command = [CLI, "run", str(slow_path), "Hi", *GREEDY, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().splitlines()
        assert process.wait(timeout=60) == INTERRUPTED
    assert json.loads(first)["kind"] in ("thought", "answer")
    assert json.loads(rest[-1])["finish_reason"] == "cancelled"


def test_without_a_model_the_default_one_answers() -> None:
    if not installed.with_default_model():
        done = run("run", "What is 17 + 25?")
        if done.returncode == 0:
            pytest.skip("a build tree, and the command found a default model elsewhere")
        assert "no default model was installed" in done.stderr
        return
    done = run("run", "What is 17 + 25?", "--temperature", "0")
    assert done.returncode == 0, done.stderr
    assert "[thought]" in done.stdout and done.stdout.rstrip().endswith("42")
    with pensee.Model() as model:
        assert model.ask("What is 17 + 25?", temperature=0).answer == "42"


def test_control_c_while_loading(slow_path: pathlib.Path) -> None:
    terminal = Terminal("run", str(slow_path), "Hi", *GREEDY)
    terminal.read(until="loading")
    os.kill(terminal.pid, signal.SIGINT)
    terminal.read()
    assert terminal.wait() in (INTERRUPTED, -signal.SIGINT)  # the second where loading had just ended


# ---- chat -----------------------------------------------------------------------------------------------------------


def test_chat_keeps_the_conversation(thinker_path: pathlib.Path) -> None:
    options = ["--max-tokens", "30", "--think-budget", "4", *GREEDY]
    done = run("chat", str(thinker_path), *options, stdin="Hi\nAnd again\n/new\nHi\n/exit\nnever read\n")
    assert done.returncode == 0, done.stderr
    replies = done.stdout.split("[thought]\n")[1:]
    assert len(replies) == 3
    assert replies[0] == replies[2]
    assert replies[0] != replies[1]


def test_control_c_ends_a_reply_and_not_the_chat(slow_path: pathlib.Path) -> None:
    terminal = Terminal("chat", str(slow_path), *GREEDY)
    terminal.read(until="> ")
    terminal.write("Hi\n")
    terminal.read(until=ESC + "[2m")
    terminal.write("\x03")
    terminal.read(until="cancelled")
    terminal.write("/exit\n")
    terminal.read()
    assert terminal.wait() == 0


# ---- inspect, tokenize, bench ---------------------------------------------------------------------------------------


def test_inspect_says_what_a_model_is() -> None:
    info = json.loads(run("inspect", TINY, "--json").stdout)
    config = json.loads((GOLDENS / "deepseek_v3" / "config.json").read_text())
    assert info["architecture"] == config["model_type"]
    for name in ("num_hidden_layers", "hidden_size", "vocab_size", "n_routed_experts", "num_experts_per_tok"):
        assert info[name] == config[name]
    assert info["context_max"] == config["max_position_embeddings"]
    assert info["parameters_total"] > info["parameters_active"] > 0
    assert info["cache_bytes_per_token"] > 0 and info["memory_bytes"] > info["weight_bytes"]
    text = run("inspect", TINY).stdout
    assert "deepseek_v3" in text and "4 of 16 a token, 1 shared" in text
    assert "none (dense)" in run("inspect", str(GGUF)).stdout


def test_tokenize_shows_ids_and_bytes() -> None:
    lines = run("tokenize", str(GGUF), "a\u00e9").stdout.splitlines()
    assert [line.split("\t")[1] for line in lines] == ['"a"', '"\\xc3"', '"\\xa9"']
    ids = run("tokenize", str(GGUF), "a\u00e9", "--ids").stdout.strip().split(",")
    assert ids == [line.split("\t")[0] for line in lines]
    assert run("tokenize", str(GGUF), "</s>", "--ids").stdout.strip() == "1"
    assert "," in run("tokenize", str(GGUF), "</s>", "--ids", "--plain").stdout


def test_bench_measures_every_backend_that_is_there() -> None:
    options = ["--prompt", "16", "--tokens", "8", "--depth", "0,32,100000", "--repeat", "2", "--threads", "2"]
    done = run("bench", TINY, *options, "--json")
    assert done.returncode == 0, done.stderr
    machine, *rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert machine["read_bytes_per_second"] > 1e8
    native = [row for row in rows if row["backend"] == "native"]
    assert [row["depth"] for row in native] == [0, 32, 100000]
    assert "skipped" in native[2]
    for row in native[:2]:
        assert row["prompt_tokens_per_second"] > 0 and row["tokens_per_second"] > 0
        assert row["peak_memory_bytes"] > 1e6 and row["weight_bytes_per_second"] > 0
        assert row["repeatable"]
    assert {row["backend"] for row in rows} == {"native", "onednn", "blas"}
    again = run("bench", TINY, *options, "--json", "--backends", "native").stdout.splitlines()[1:]
    assert [json.loads(line).get("token_hash") for line in again] == [row.get("token_hash") for row in native]


def test_bench_prints_a_table() -> None:
    done = run("bench", TINY, "--prompt", "8", "--tokens", "4", "--repeat", "1", "--backends", "native")
    assert done.returncode == 0, done.stderr
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(table) == 3
    assert len({len(line) for line in table}) == 1


# ---- a real model ---------------------------------------------------------------------------------------------------


def test_a_real_model_answers(smollm2_path: pathlib.Path) -> None:
    oracle = json.loads((GOLDENS / "smollm2_greedy.json").read_text())
    prompt = next(entry for entry in oracle["prompts"] if "messages" in entry)
    ids = ",".join(map(str, prompt["ids"]))
    lines = events(str(smollm2_path), "--prompt-ids", ids, "--temperature", "0", "--max-tokens", "4")
    assert [line["token_id"] for line in lines if "token_id" in line][:2] == prompt["greedy"][:2]
    done = run("run", str(smollm2_path), "What is the capital of France?", "--temperature", "0", "--max-tokens", "24")
    assert done.returncode == 0
    assert "Paris" in done.stdout
    assert "134.5M" in run("inspect", str(smollm2_path)).stdout or "135M" in run("inspect", str(smollm2_path)).stdout
