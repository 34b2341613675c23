// Measuring a tuning: each backend that is built in multiplies random weights of a model's shapes, on this machine.
#pragma once

#include <vector>

#include "backends/tuned/tuning.h"

namespace pensee {

struct TuningShape {
  StoredType type = StoredType::f32;
  int64_t matrices = 1, rows = 0, cols = 0;
  int64_t count = 1;  // weights of this shape in the model
  bool operator==(const TuningShape&) const = default;
};

struct TuningTime {
  TuningShape shape;
  std::string backend;
  Activations activations = Activations::int16;  // of native; elsewhere of no meaning
  int64_t x_rows = 0;                            // rows of activations, for each matrix
  double seconds = 0;                            // the best of a few
  uint64_t bytes = 0;                            // of the packed weight
};

// The rows of activations that are tried.
inline constexpr int64_t kTuningRows[] = {1, 4, 16, 64, 256, 512};

struct TuningWork {
  const Kernels* kernels = nullptr;
  ThreadPool* pool = nullptr;
  bool (*progress)(void* user, float fraction) = nullptr;  // false cancels
  void* progress_user = nullptr;
};

// Large matrices are measured by their first rows, stacks by their first matrices: 16 million numbers. Backends that
// are not in this build are left out.
Result<std::vector<TuningTime>> measure_shapes(const std::vector<TuningShape>& shapes, const TuningWork& work);

// A row for each type of which another backend is at least a tenth faster over all of its shapes, from some number of
// rows on without exception: less would not be worth the second copy in memory. Never for one row.
Tuning choose_tuning(const std::vector<TuningTime>& times);

}  // namespace pensee
