#!/usr/bin/env python3
"""The whole recipe as one command: each stage reads what another wrote and can be cut off and started again.

    python train.py pretrain --out runs/base --seconds 7200
    python train.py zero     --out runs/zero --from runs/base/base.pt --seconds 3600      R1-Zero: RL and nothing else
    python train.py cold     --out runs/cold --from runs/base/base.pt --seconds 600       cold start
    python train.py rl       --out runs/rl   --from runs/cold/cold.pt --seconds 3600      R1's first RL
    python train.py reject   --out runs/sft  --from runs/rl/rl.pt --into runs/base/base.pt --collect-seconds 600 \\
                             --seconds 1200                              keeps right answers and learns them
    python train.py rl       --out runs/r1   --from runs/sft/sft.pt --seconds 1800 --tasks ... talk     RL again
    python train.py mixed    --out runs/mixed --from runs/r1/rl.pt --seconds 1200         sizes drawn apart
    python train.py average  --out runs/mini --from runs/r1/rl.pt --and runs/mixed/mixed.pt --share 0.5
    python train.py distill  --out runs/student --from runs/r1/rl.pt --collect-seconds 1200 --seconds 3600
    python train.py export   runs/mini/average.pt pensee-mini.gguf --type q8_0
    python train.py evaluate pensee-mini.gguf --per-task 1000
    python train.py plots    --zero runs/zero --rl runs/rl runs/r1 --evaluations evaluations.jsonl --out plots

`torchrun --nproc-per-node N train.py ...` shares the work. `train.py STAGE --help` tells a stage's options.
"""

from __future__ import annotations

import argparse
import importlib
import sys

# stage: module, function that adds its arguments, function that runs it, values it fixes
STAGES = {
    "pretrain": ("cold", "add_base_arguments", "pretrain_base", {}),
    "zero": ("rl", "add_arguments", "reinforce", {"name": "zero"}),
    "cold": ("cold", "add_arguments", "cold_start", {}),
    "mixed": ("cold", "add_mixed_arguments", "mixed", {}),
    "rl": ("rl", "add_arguments", "reinforce", {"name": "rl"}),
    "reject": ("reject", "add_arguments", "reject", {}),
    "average": ("average", "add_arguments", "average", {}),
    "distill": ("distill", "add_arguments", "distill", {}),
    "export": ("export", None, "main", {}),
    "evaluate": ("evaluate", "add_arguments", "run", {}),
    "plots": ("plots", "add_arguments", "run", {}),
}


def main() -> None:
    stage = sys.argv[1] if len(sys.argv) > 1 else ""
    if stage not in STAGES:
        print(__doc__)
        raise SystemExit(f"the stage is one of: {', '.join(STAGES)}")
    module_name, adds, runs, fixed = STAGES[stage]
    module = importlib.import_module(module_name)
    if adds is None:  # reads its own command line
        sys.argv[:2] = [f"train.py {stage}"]
        return getattr(module, runs)()
    parser = argparse.ArgumentParser(
        prog=f"train.py {stage}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    getattr(module, adds)(parser)
    args = parser.parse_args(sys.argv[2:])
    vars(args).update(fixed)
    getattr(module, runs)(args)


if __name__ == "__main__":
    main()
