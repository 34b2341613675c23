// From bound tensors to a model's blocks: which tensors are stacked into which packed weight. Loading uses it for all
// weights and replacing for some: whatever is bound is packed afresh, and nothing of the model changes before commit,
// so a failure leaves it as it was.
#pragma once

#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "models/model.h"
#include "models/weights.h"

namespace pensee {

// A slot that is empty everywhere is left as the model has it.
struct Bound {
  BoundWeights model;
  std::vector<BoundWeights> layers;
  std::optional<BoundWeights> mtp;
};

// The layer's blocks with all their dimensions and without weights. `index` counts cache layers.
Layer make_layer(const ModelConfig& config, int64_t index);

// What a matrix's part that was not bound is taken from, when its neighbours are replaced.
class KeptWeights {
 public:
  virtual ~KeptWeights() = default;
  // The tensor of matrix `matrix` in `slot`, whose first row is `first_row` of the matrices of `held`.
  virtual Result<Tensor> kept(const Linear& held, int64_t layer, Slot slot, int64_t matrix, int64_t first_row,
                              int64_t rows) = 0;
};

class Assembler {
 public:
  Assembler(Model& model, const Backend& backend, ThreadPool& pool, MemoryBudget* budget, KeptWeights* kept = nullptr);
  ~Assembler();
  Assembler(const Assembler&) = delete;
  Assembler& operator=(const Assembler&) = delete;

  bool (*progress)(void* user, float fraction) = nullptr;
  void* progress_user = nullptr;

  Status assemble(const Bound& bound);
  void commit() noexcept;

 private:
  using Packed = std::unique_ptr<PackedWeight>;
  using Slots = std::initializer_list<Slot>;
  struct SlotTensors {
    std::vector<const Tensor*> tensors;  // one a matrix, or one for all
    StoredType type;                     // that all of them can be read as
  };

  Status tell_progress();
  Result<Packed> pack_source(const WeightSource& source);
  bool drop_a_copy();  // of a weight that was packed before; false: there is none
  Result<Packed> pack(std::vector<StackedRows::Piece> pieces, int64_t matrices, bool by_row = false);
  Status packed(const BoundWeights& w, Slot slot, Packed& target);
  Status vector(const BoundWeights& w, Slot slot, std::vector<float>& target);
  Status read_vector(const Tensor& tensor, std::vector<float>& out);
  Status linear(const BoundWeights& w, Slots slots, Slots biases, int64_t matrices, Linear& target);
  Result<SlotTensors> tensors_of(const BoundWeights& w, Slot slot, int64_t matrices, int64_t first_row,
                                 const Linear& held);
  Status part(const std::vector<SlotTensors>& group, int64_t matrices, Linear& out);
  Status bias(const BoundWeights& w, Slots slots, Slots biases, const Linear& held, Linear& out);
  Status layer(const BoundWeights& w, Layer& layer);
  Status attention(const BoundWeights& w, GroupedQuery& a);
  Status attention(const BoundWeights& w, Latent& a);
  Status fold(const BoundWeights& w, Latent& a);
  Status feed_forward(const BoundWeights& w, Dense& f);
  Status feed_forward(const BoundWeights& w, MixtureOfExperts& f);
  Status predictions(const BoundWeights& w, const BoundWeights& model, Mtp& mtp);

  Model& model_;
  const ModelConfig& c_;
  const Backend& backend_;
  ThreadPool& pool_;
  MemoryBudget* budget_;
  KeptWeights* kept_;
  int64_t layer_ = -1;                              // being assembled
  uint64_t stored_done_ = 0;                        // bytes, for the progress
  uint64_t taken_ = 0;                              // from the budget and not yet the model's
  std::deque<Tensor> made_;                         // by kept_
  std::vector<std::pair<Packed*, Packed>> packed_;  // targets and what they become
  std::vector<std::pair<Linear*, Linear>> linears_;
  std::vector<std::pair<std::vector<float>*, std::vector<float>>> vectors_;
};

}  // namespace pensee
