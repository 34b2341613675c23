// Measuring a model's matrix shapes for a tuning (backends/tuned/tuning.h), and the file that holds it.
#include <algorithm>

#include "backends/tuned/measure.h"
#include "base/atomic_file.h"
#include "engine/engine.h"
#include "models/parts.h"

namespace pensee {
namespace {

// The distinct shapes of all weights that are multiplied.
class Shapes {
 public:
  explicit Shapes(const Model& model) : model_(model) {}
  std::vector<TuningShape> found;

  Status numbers(const std::string&, const std::vector<float>&, int64_t, bool) { return Status(); }
  Status weight(const std::string&, const std::unique_ptr<PackedWeight>& weight, const PartShape&) {
    const bool multiplied = weight.get() == &model_.head() || (model_.mtp && weight == model_.mtp->head);
    if (weight && multiplied) add(*weight);
    return Status();
  }
  Status linear(const std::string&, const Linear& linear, const PartShape&) {
    for (const auto& part : linear.parts) add(*part);
    return Status();
  }

 private:
  void add(const PackedWeight& w) {
    const TuningShape shape = {w.stored, w.matrices, w.rows, w.cols, 0};
    const auto same = std::find_if(found.begin(), found.end(), [&](TuningShape other) {
      other.count = 0;
      return other == shape;
    });
    TuningShape& known = same == found.end() ? found.emplace_back(shape) : *same;
    ++known.count;
  }
  const Model& model_;
};

json::Value measured_json(const std::vector<TuningTime>& times) {
  json::Array rows;
  for (const TuningTime& t : times) {
    json::Value row;
    row.set("type", info(t.shape.type).name);
    row.set("matrices", t.shape.matrices);
    row.set("rows", t.shape.rows);
    row.set("cols", t.shape.cols);
    row.set("count", t.shape.count);
    row.set("backend", t.backend);
    if (t.backend == "native") row.set("activations", activations_name(t.shape.type, t.activations));
    row.set("x_rows", t.x_rows);
    row.set("seconds", t.seconds);
    row.set("bytes", static_cast<int64_t>(t.bytes));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

Status Engine::tune(const std::string& path, bool (*progress)(void* user, float fraction), void* user) const {
  PENSEE_TRY(require_weights());
  Shapes shapes(*content.model);
  {
    std::shared_lock weights(weights_mutex_);
    PENSEE_TRY(each_part(*content.model, shapes));
  }
  PENSEE_ASSIGN(const auto own_pool, ThreadPool::create(threads, options.thread_priority));
  PENSEE_ASSIGN(const auto times, measure_shapes(shapes.found, {&kernels, own_pool.get(), progress, user}));
  json::Value file;
  file.set("pensee_tuning", 1);
  file.set("isa", kernels.isa);
  file.set("threads", own_pool->threads());
  file.set("table", tuning_json(choose_tuning(times)));
  file.set("measured", measured_json(times));
  const std::string text = json::dump(file, 1) + "\n";
  constexpr unsigned for_all = 0666;  // less what the umask forbids
  AtomicFile out(path, for_all);
  PENSEE_TRY(out.open());
  PENSEE_TRY(out.write(std::as_bytes(std::span(text))));
  if (progress && !progress(user, 1)) {
    return Status(Code::cancelled, "measuring was cancelled by the progress callback");
  }
  return out.commit();
}

}  // namespace pensee
