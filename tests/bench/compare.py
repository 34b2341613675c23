#!/usr/bin/env python3
"""pensee beside llama.cpp or ik_llama.cpp: the same files, the same machine, one run after the other in turn.

  python3 tests/bench/compare.py MODEL.gguf ... --peer llama.cpp=/path/to/llama-bench --depth 0,4096
  python3 tests/bench/compare.py MODEL.gguf --together 16 --batched /path/to/llama-batched-bench
  python3 tests/bench/compare.py MODEL.gguf --depth 0,1024,4096,16384 --plot depth.png      (needs matplotlib)

Each round runs every program once on every file; of each number the best round counts, and the spread between the
rounds is told, since a shared machine's numbers move. A ratio is pensee's number over the peer's. Files of true shapes
and random weights come from make_shapes.py. --json keeps all rounds.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

IK_FLAGS = ["-mla", "3", "-fa", "1", "-fmoe", "1", "-rtr", "1"]  # its fastest way


class Failed(Exception):
    pass


def run(command: list[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def pensee_rates(args: argparse.Namespace, model: str) -> tuple[dict, dict]:
    """The machine's line, and {(work, depth): tokens a second}."""
    command = [args.pensee, "bench", model, "--json", "--backends", "native", "--repeat", "1"]
    command += ["--prompt", str(args.prompt), "--tokens", str(args.tokens), "--depth", ",".join(map(str, args.depth))]
    command += ["--threads", str(args.threads)] + args.pensee_flags
    machine, *lines = map(json.loads, run(command).splitlines())
    rates = {}
    for line in lines:
        rates["prompt", line["depth"]] = line["prompt_tokens_per_second"]
        rates["decode", line["depth"]] = line["tokens_per_second"]
        rates["read", line["depth"]] = line["share_of_read_bandwidth"]
    return machine, rates


def ik_rates(args: argparse.Namespace, program: str, model: str) -> dict:
    """ik_llama.cpp has no depth of its own, but decodes after a prompt that it does not count."""
    command = [program, "-m", model, "-t", str(args.threads), "-p", str(args.prompt), "-n", str(args.tokens), "-r", "1"]
    for depth in filter(None, args.depth):
        command += ["-gp", f"{depth},{args.tokens}"]
    rates = {}
    for told in json.loads(run(command + ["-o", "json"] + IK_FLAGS)):
        name = re.fullmatch(r"pp\d+|tg\d+(?:@pp(\d+))?", told["test"])
        rates["prompt" if told["test"].startswith("pp") else "decode", int(name[1] or 0)] = told["avg_ts"]
    return rates


def llama_rates(args: argparse.Namespace, program: str, model: str) -> dict:
    command = [program, "-m", model, "-t", str(args.threads), "-p", str(args.prompt), "-n", str(args.tokens), "-r", "1"]
    command += ["-d", ",".join(map(str, args.depth)), "-o", "jsonl"]
    rates = {}
    for line in run(command).splitlines():
        if line.startswith("{"):
            told = json.loads(line)
            work = "prompt" if told["n_prompt"] else "decode"
            rates[work, told.get("n_depth", 0)] = told["avg_ts"]
    return rates


def together_of_llama(args: argparse.Namespace, model: str) -> float:
    """Tokens a second of all sequences while they decode together."""
    command = [args.batched, "-m", model, "-t", str(args.threads), "-c", str(args.together * 128), "-npp", "16", "-ntg",
               str(args.tokens), "-npl", str(args.together)]
    rows = re.findall(r"^\|(.+)\|$", run(command), re.M)
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    names = next(row for row in cells if "S_TG t/s" in row)
    return float(cells[-1][names.index("S_TG t/s")])


def together_of_pensee(args: argparse.Namespace, model: str) -> float:
    """The same through `n` samples of one prompt, in a process of its own."""
    script = pathlib.Path(__file__).with_name("together.py")
    values = [str(args.together), str(args.tokens), str(args.threads)]
    return float(run([sys.executable, str(script), model, *values]))


def best(rounds: list[dict]) -> dict:
    keys = dict.fromkeys(key for one in rounds for key in one)
    return {key: max(one[key] for one in rounds if key in one) for key in keys}


def spread(rounds: list[dict], key) -> float:
    values = [one[key] for one in rounds if key in one]
    return (max(values) - min(values)) / max(values) if values else 0.0


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(models: list[str], results: dict, peers: list[str]) -> str:
    head = ["file", "work", "pensee", *[f"{peer} (ratio)" for peer in peers]]
    head += ["weights' share of the read limit", "spread"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for model in models:
        ours = best(results[model]["pensee"])
        for (work, depth), rate in sorted(ours.items(), key=lambda item: (item[0][0] == "decode", item[0][1])):
            if work == "read":
                continue
            row = [pathlib.Path(model).stem, f"{work} at {depth}" if isinstance(depth, int) else f"{work} {depth}",
                   number(rate)]
            for peer in peers:
                theirs = best(results[model][peer]).get((work, depth)) if results[model].get(peer) else None
                row.append(f"{number(theirs)} ({rate / theirs:.2f})" if theirs else "-")
            share = ours.get(("read", depth)) if work == "decode" else None
            row.append(f"{100 * share:.0f} %" if share else "")
            widest = max(spread(results[model][name], (work, depth)) for name in ["pensee", *peers])
            row.append(f"{100 * widest:.0f} %")
            lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def plot(path: str, models: list[str], results: dict, peers: list[str], title: str) -> None:
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(models), figsize=(5 * len(models), 3.6), squeeze=False)
    for axis, model in zip(axes[0], models):
        for name in ["pensee", *peers]:
            rates = best(results[model].get(name) or [])
            points = sorted((depth, rate) for (work, depth), rate in rates.items() if work == "decode" and
                            isinstance(depth, int))
            if points:
                axis.plot(*zip(*points), marker="o", label=name)
        axis.set(title=pathlib.Path(model).stem, xlabel="depth: tokens before", ylabel="decoded tokens/s")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.suptitle(title, fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("models", nargs="+")
    add("--pensee", default="pensee", help="the command (default: of the PATH)")
    add("--pensee-flags", nargs=argparse.REMAINDER, default=[], help="last of all: options for pensee bench")
    add("--peer", action="append", default=[], metavar="NAME=LLAMA_BENCH", help="may come again; flags as NAME needs")
    add("--batched", help="llama-batched-bench, for --together")
    add("--together", type=int, default=0, help="also so many answers at once (needs pensee's Python package)")
    add("--depth", default="0")
    add("--prompt", type=int, default=512)
    add("--tokens", type=int, default=64)
    add("--threads", type=int, default=len(os.sched_getaffinity(0)))
    add("--rounds", type=int, default=2)
    add("--json", type=pathlib.Path, help="all rounds, to be kept")
    add("--plot", help="PNG: decoding against depth")
    args = parser.parse_args()
    args.depth = [int(depth) for depth in args.depth.split(",")]
    peers = dict(peer.split("=", 1) for peer in args.peer)
    if args.together and not args.batched:
        parser.error("--together needs --batched")
    names = [*peers, *(["llama.cpp"] if args.together and "llama.cpp" not in peers else [])]
    results: dict = {model: {name: [] for name in ["pensee", *names]} for model in args.models}
    machine: dict = {}
    for turn in range(args.rounds):
        for model in args.models:
            machine, rates = pensee_rates(args, model)
            if args.together:
                rates["decode", f"of {args.together} at once"] = together_of_pensee(args, model)
            results[model]["pensee"].append(rates)
            for name, program in peers.items():
                try:
                    rates_of = ik_rates if name.startswith("ik") else llama_rates
                    results[model][name].append(rates_of(args, program, model))
                except Failed as why:
                    print(f"{name} on {model}: {why}", file=sys.stderr)
            if args.together:
                results[model]["llama.cpp"].append(
                    {("decode", f"of {args.together} at once"): together_of_llama(args, model)})
            print(f"round {turn + 1} of {args.rounds}: {pathlib.Path(model).stem}", file=sys.stderr)
    read = machine["read_bytes_per_second"] / 1e9
    title = f"{machine['cpu']}, {machine['isa']}, {args.threads} threads, memory read at {read:.1f} GB/s; " \
            f"pensee {machine['version']}, best of {args.rounds} rounds"
    print(title + "\n\n" + table(args.models, results, names))
    if args.json:
        rounds = {model: {name: [{f"{work} {depth}": rate for (work, depth), rate in one.items()} for one in each]
                          for name, each in by.items()} for model, by in results.items()}
        args.json.write_text(json.dumps({"machine": machine, "rounds": rounds}, indent=1) + "\n")
    if args.plot:
        plot(args.plot, args.models, results, names, title)


if __name__ == "__main__":
    main()
