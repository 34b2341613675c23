#!/bin/sh
# All tests, from a fresh Debian 12 on: installs what is missing, builds, and runs every stage even after a failure.
#   sh tests/run.sh             everything
#   sh tests/run.sh STAGE...    of: release asan cross oldcpu python
# Builds lie in build/ci-*, environments in .venv-ci and .venv-test, fetched models in .cache/data (or $PENSEE_DATA).
set -eu
cd "$(dirname "$0")/.."
. cmake/packages.sh
stages="${*:-release asan cross oldcpu python}"
jobs=$(nproc)
failed=""

need_packages g++ python3 python3-venv python3-dev ca-certificates git doctest-dev libgomp1 pkg-config binutils clang \
  g++-aarch64-linux-gnu qemu-user-static
command -v npm >/dev/null 2>&1 || need_packages npm  # one that came another way must not be replaced
make_venv .venv-ci
.venv-ci/bin/pip install -q --disable-pip-version-check 'cmake<4' ninja numpy
PATH="$PWD/.venv-ci/bin:$PATH"
export PATH

configure() { # configure NAME OPTIONS...
  name=$1
  shift
  cmake -S . -B "build/ci-$name" -G Ninja -DPENSEE_TESTS=ON -DPENSEE_WERROR=ON "$@" >"build/ci-$name.log" ||
    { cat "build/ci-$name.log"; return 1; }
}

# As people build it, with every backend; install tests, ABI tests and tidy are part of it.
stage_release() {
  configure release -DCMAKE_BUILD_TYPE=Release && cmake --build build/ci-release -j "$jobs" &&
    ctest --test-dir build/ci-release --output-on-failure
}

# The same tests under the address and undefined-behaviour sanitizers.
stage_asan() {
  configure asan -DCMAKE_BUILD_TYPE=RelWithDebInfo "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1" \
    -DPENSEE_SANITIZE=address,undefined -DPENSEE_CLI=OFF \
    -DPENSEE_ONEDNN=OFF -DPENSEE_BLAS=OFF && cmake --build build/ci-asan -j "$jobs" &&
    ctest --test-dir build/ci-asan --output-on-failure \
      -E '^(tidy|tidy_itself|install|abi_header|abi_exports|faults|kernels_symbols)'
}

# NEON: cross-compiled, run under qemu.
stage_cross() {
  configure cross -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/aarch64-linux.cmake" \
    -DPENSEE_CLI=OFF -DPENSEE_ONEDNN=OFF -DPENSEE_BLAS=OFF &&
    cmake --build build/ci-cross -j "$jobs" --target kernels_test backends_native_test models_test quants_test &&
    ctest --test-dir build/ci-cross --output-on-failure -R '^(kernels|backends_native|models|quants)$'
}

# The release binaries on an x86-64 CPU without AVX: the library must choose kernels that it can run. Fused
# multiply-adds are made in software there, so one model has to do.
stage_oldcpu() {
  qemu-x86_64-static -cpu Nehalem build/ci-release/tests/kernels/kernels_test &&
    qemu-x86_64-static -cpu Nehalem build/ci-release/tests/models/models_test -tc='decoder: a 16-bit cache*'
}

# The wheel, in an environment of its own, and the command inside it.
stage_python() {
  make_venv .venv-test
  .venv-test/bin/pip install -q --disable-pip-version-check pytest tokenizers gguf . &&
    .venv-test/bin/python tests/fetch_data.py >/dev/null &&
    PENSEE_CLI="$PWD/.venv-test/bin/pensee" TOKENIZE_TOOL="$PWD/build/ci-release/tests/text/tokenize_tool" \
      .venv-test/bin/python -m pytest -q tests/python
}

mkdir -p build
for stage in $stages; do
  echo "== $stage"
  "stage_$stage" || failed="$failed $stage"
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
echo "all stages passed: $stages"
