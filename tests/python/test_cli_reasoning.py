"""The `pensee` command with what reasoning needs: samples, votes, forms, tools, experts, kept sessions, speculation."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import pytest
from conftest import GOLDENS
from test_cli import CLI, GGUF, GREEDY, IDS, TINY, Terminal, events, run

pytestmark = pytest.mark.skipif(CLI is None, reason="no pensee command: set PENSEE_CLI")


def test_samples_come_one_after_the_other_and_mixed_in_json(thinker_path: pathlib.Path) -> None:
    options = [str(thinker_path), "Hi", "--temperature", "1", "--seed", "3", "--max-tokens", "12"]
    options += ["--think-budget", "4"]
    lines = events(*options, "--n", "3")
    assert sorted(line["sample"] for line in lines if line["kind"] == "end") == [0, 1, 2]
    first = [line["token_id"] for line in lines if line["sample"] == 0 and "token_id" in line]
    assert first == [line["token_id"] for line in events(*options) if "token_id" in line]
    done = run("run", *options, "--n", "3")
    assert re.findall(r"\[sample (\d)\]\n", done.stdout) == ["0", "1", "2"]
    assert len(done.stderr.splitlines()) == 3
    assert done.stdout.split("[sample 1]\n")[0] == "[sample 0]\n" + run("run", *options).stdout + "\n"


def test_forced_tokens_are_marked(thinker_path: pathlib.Path) -> None:
    ask = [str(thinker_path), "Hi", *GREEDY, "--max-tokens", "20", "--think-budget", "0", "--answer-prefix", "So "]
    lines = events(*ask)
    forced = [line["token_id"] for line in lines if line.get("forced")]
    assert bytes(i for i in forced if i < 256).endswith(b"So ")
    assert any("forced" not in line for line in lines if "token_id" in line)


def test_experts_are_drawn_and_told() -> None:
    config = json.loads((GOLDENS / "deepseek_v3" / "config.json").read_text())
    layers = config["num_hidden_layers"] - config["first_k_dense_replace"]
    lines = [line for line in events(TINY, *IDS, "--max-tokens", "6", "--experts") if "token_id" in line]
    for line in lines:
        assert len(line["expert_ids"]) == len(line["expert_weights"]) == layers
        assert all(len(set(row)) == config["num_experts_per_tok"] for row in line["expert_ids"])
    drawn = run("run", TINY, *IDS, "--max-tokens", "6", "--experts")
    rows = re.findall(r"^ *\d+ \|(.*)\| busiest (\d+): (\d+)% of the tokens$", drawn.stdout, re.M)
    assert len(rows) == layers
    for layer, (shades, busiest, share) in enumerate(rows):
        chosen = [line["expert_ids"][layer] for line in lines]
        counts = [sum(expert in row for row in chosen) for expert in range(config["n_routed_experts"])]
        assert len(shades) == config["n_routed_experts"]
        assert [shade == " " for shade in shades] == [count == 0 for count in counts]
        assert counts[int(busiest)] == max(counts)
        assert int(share) == round(100 * max(counts) / len(lines))
    assert "has none" in run("run", str(GGUF), *IDS, "--max-tokens", "2", "--experts").stdout


def test_experts_are_drawn_in_blocks_where_the_terminal_has_them() -> None:
    arguments = ["run", TINY, *IDS, "--max-tokens", "6", "--experts"]
    blocks = Terminal(*arguments, LC_ALL="C.UTF-8")
    assert "\u2588" in blocks.read()
    blocks.wait()
    plain = Terminal(*arguments, LC_ALL="C")
    assert "@" in plain.read() and "\u2588" not in plain.text
    plain.wait()


def test_a_vote_prints_the_distribution(thinker_path: pathlib.Path) -> None:
    letters = ["--think-budget", "0", "--budget-text", "", "--answer-budget", "3"]
    letters += ["--temperature", "1", "--top-p", "1", "--seed", "4"]
    letters += ["--answer-sampling", "logit-bias=65=1000,66=999.6"]
    ask = ["run", str(thinker_path), "Hi", "--vote", "12", "--vote-all", *letters]
    done = run(*ask)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^ *(\d+) of 12  [# ]{20} +(\d+)%  ([AB])$", done.stdout, re.M)
    assert sum(int(votes) for votes, _, _ in rows) == 12
    assert int(rows[0][0]) == max(int(votes) for votes, _, _ in rows)
    assert done.stdout.splitlines()[0].strip() == rows[0][2]
    told = json.loads(run(*ask, "--json").stdout)
    assert [(str(row["votes"]), row["answer"]) for row in told["answers"]] == [(row[0], row[2]) for row in rows]
    assert len(told["replies"]) == 12
    # Longer than the 256 events that wait for their reader, so that no reply ends before its turn.
    sure_of = [*letters[:-1], "logit-bias=65=1000", "--answer-budget", "300"]
    sure = run("run", str(thinker_path), "Hi", "--vote", "20", "--vote-at-once", "2", *sure_of)
    assert "were stopped" in sure.stdout


@pytest.mark.usefixtures("forms")
def test_answers_are_held_to_forms(thinker_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}
    schema["additionalProperties"] = False
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    (tmp_path / "grammar").write_text('root ::= "yes" | "no"\n')
    ask = ["run", str(thinker_path), "Hi", "--think-budget", "4", "--seed", "2", "--hide-thought"]
    ask += ["--max-tokens", "200"]
    for given in (json.dumps(schema), str(tmp_path / "schema.json")):
        assert json.loads(run(*ask, "--json-schema", given).stdout)["a"] in (1, 2)
    assert re.fullmatch(r"[ab]{3}", run(*ask, "--regex", "[ab]{3}").stdout.strip())
    for given in ('root ::= "yes" | "no"', str(tmp_path / "grammar")):
        assert run(*ask, "--grammar", given).stdout.strip() in ("yes", "no")
    missing = run(*ask, "--json-schema", str(tmp_path / "none.json"))
    assert missing.returncode == 1 and "none.json" in missing.stderr


@pytest.mark.usefixtures("forms")
def test_a_tool_call_is_printed_and_told(thinker_path: pathlib.Path) -> None:
    parameters = {"type": "object", "properties": {"word": {"enum": ["cat", "dog"]}}, "required": ["word"],
                  "additionalProperties": False}  # fmt: skip
    tools = json.dumps([{"type": "function", "function": {"name": "lookup", "parameters": parameters}}])
    ask = [str(thinker_path), "Hi", "--tools", tools, "--tool-choice", "required", "--think-budget", "4", "--seed", "2",
           "--max-tokens", "400"]  # fmt: skip
    call = re.search(r"^\[tool call\] lookup (\{.*\})$", run("run", *ask).stdout, re.M)
    assert call is not None and json.loads(call.group(1))["word"] in ("cat", "dog")
    lines = events(*ask, "--answer-sampling", "logit-bias=256=1000")  # the end, as soon as it is allowed
    complete = [line for line in lines if "tool_name" in line]
    assert [line["kind"] for line in complete] == ["tool_call"] * len(complete) and complete
    assert json.loads(complete[0]["tool_arguments"]) == json.loads(call.group(1)) and complete[0]["tool_call_id"]
    assert lines[-1]["finish_reason"] == "tool_call"


def test_a_session_is_kept_between_two_runs(thinker_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "kept.session")
    ask = [str(thinker_path), "A question that is worth keeping", *GREEDY, "--max-tokens", "10"]
    first = events(*ask, "--save-session", path)
    second = events(*ask, "--load-session", path)
    assert first[-1]["usage"]["cached_tokens"] == 0 < second[-1]["usage"]["cached_tokens"]
    assert [line.get("token_id") for line in second] == [line.get("token_id") for line in first]
    assert "prompt tokens kept" in run("run", *ask, "--load-session", path).stderr
    done = run("run", *ask, "--load-session", str(tmp_path / "none"))
    assert done.returncode == 1 and "none" in done.stderr


def test_speculation_changes_no_token_and_is_told(thinker_path: pathlib.Path) -> None:
    ask = [str(thinker_path), "--raw", "abcabcabcabcabcabc", *GREEDY, "--max-tokens", "40", "--speculation"]
    off, ngram = events(*ask, "off"), events(*ask, "ngram")
    draft = events(*ask, "draft", "--draft-model", str(thinker_path))
    ids = [[line["token_id"] for line in lines if "token_id" in line] for lines in (off, ngram, draft)]
    assert ids[0] == ids[1] == ids[2]
    assert draft[-1]["usage"]["accepted_tokens"] > 0 == off[-1]["usage"]["drafted_tokens"]
    assert "drafted tokens accepted" in run("run", *ask, "draft", "--draft-model", str(thinker_path)).stderr


def test_chat_leaves_thoughts_out_and_tells_what_was_kept(thinker_path: pathlib.Path) -> None:
    options = ["--max-tokens", "30", "--think-budget", "4", "--budget-text", "", *GREEDY]
    done = run("chat", str(thinker_path), *options, stdin="Hi\nAnd again\nAnd more\n")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 3 and "kept" not in lines[0]
    kept = [re.search(r"(\d+) of (\d+) prompt tokens kept", line) for line in lines[1:]]
    assert all(kept)
    answers = [reply.split("[answer]\n")[1].strip("\n") for reply in done.stdout.split("[thought]\n")[1:]]
    rendered = len(f"<Hi>{answers[0]}<And again>".encode())  # tags and newlines aside
    assert kept[0] is not None and int(kept[0].group(2)) < rendered + 20


@pytest.mark.usefixtures("forms")
def test_chat_asks_for_the_results_of_tool_calls(thinker_path: pathlib.Path) -> None:
    tools = json.dumps([{"type": "function", "function": {"name": "now", "parameters": {
        "type": "object", "properties": {"zone": {"enum": ["here", "there"]}}, "required": ["zone"],
        "additionalProperties": False}}}])  # fmt: skip
    options = ["--tools", tools, "--tool-choice", "required", "--think-budget", "2", "--seed", "1"]
    done = run("chat", str(thinker_path), *options, "--max-tokens", "200", stdin="Hi\nnoon\n/exit\n")
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^\[tool call\] now \{", done.stdout, re.M)) == 2  # the first, and after "noon" another
