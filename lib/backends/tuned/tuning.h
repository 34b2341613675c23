// The tuning: for each stored type, from how many rows of activations on another backend than native multiplies faster
// on a machine. Where it names nothing, native is fastest, as it is without a tuning: nothing else won where we
// measured (docs/speed.md). `pensee bench --tune` measures and writes a file, which this reads: JSON,
//
//   {"pensee_tuning": 1, "isa": "avx512", "threads": 2,
//    "table": [{"type": "BF16", "activations": "float", "backend": "onednn", "from_rows": 16}],
//    "measured": [...]}                     what the table was made from; not read
//
// `activations` says which native kernels were beaten: "float" ones of float weights, or "int16" or "int8".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/backend.h"
#include "base/json.h"

namespace pensee {

struct TuningRow {
  StoredType type = StoredType::f32;
  Activations activations = Activations::int16;  // of quantised types; float ones have one kind
  std::string backend;                           // "onednn" or "blas"
  int64_t from_rows = 0;                         // of activations that meet the same matrix
};

struct Tuning {
  std::vector<TuningRow> rows;
  const TuningRow* find(StoredType type, Activations activations) const;  // nullptr: native for any number of rows
};

// Numbers that are no group of integers: native has one kind of activations for them.
bool is_float_type(StoredType type);
const char* activations_name(StoredType type, Activations activations);

// `name` is what messages call the text. A backend that is not in this build is UNSUPPORTED.
Result<Tuning> parse_tuning(std::string_view text, const std::string& name);
Result<Tuning> read_tuning(const std::string& path);
json::Value tuning_json(const Tuning& tuning);  // the array "table"

}  // namespace pensee
