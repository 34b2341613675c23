// What the two halves of `pensee bench` tell each other. The parent prints; a child per backend loads the model and
// measures, so that the peak memory of one backend does not hide behind another's.
#pragma once

#include <pensee/pensee.h>

#include <cstdint>
#include <string>
#include <vector>

#include "settings.h"

namespace cli {

struct BenchSettings {
  ModelSettings model;
  std::string path;
  int64_t prompt = 512;
  int64_t tokens = 64;
  int32_t repeat = 3;
  std::vector<int64_t> depths = {0};
  std::vector<int32_t> backends = {PENSEE_BACKEND_NATIVE, PENSEE_BACKEND_ONEDNN, PENSEE_BACKEND_BLAS};
  bool json = false;
  bool tune = false;
  const char* tune_file = nullptr;
};

// Travels through a pipe as it lies in memory: the child is a fork of the same program.
struct BenchRow {
  enum Kind : int32_t { measured = 0, skipped = 1, failed = 2 };
  Kind kind = failed;
  pensee_status status = PENSEE_OK;
  int32_t threads = 0;
  int64_t depth = 0;
  double load_seconds = 0;
  double prompt_tokens_per_second = 0;  // the best of the repetitions, like the next
  double tokens_per_second = 0;
  uint64_t active_weight_bytes = 0;
  uint64_t peak_memory_bytes = 0;  // of the process so far
  uint64_t hash = 0;               // FNV-1a of the decoded token ids
  int32_t repeatable = 1;          // 0: repetitions decoded different tokens
  char isa[16] = "";
  char message[512] = "";  // of a row that was not measured
};

// `pensee bench --tune`; returns the exit code.
int tune_backends(const BenchSettings& settings);

// Runs in the child: measures one backend at every depth, in rising order, and hands each row to `pipe_fd`.
void measure_backend(const BenchSettings& settings, int32_t backend, int pipe_fd);

}  // namespace cli
