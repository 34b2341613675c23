// How the load of a reply was spread over the experts: counted from the events of trace_experts, drawn as a small map
// with a row for each layer with experts and a column for each expert (or for several, where there are many).
#pragma once

#include <pensee/pensee.h>

#include <cstdint>
#include <string>
#include <vector>

namespace cli {

class ExpertLoad {
 public:
  explicit ExpertLoad(const pensee_model_info& info);
  void add(const pensee_event& event);
  // With blocks where the terminal knows them (`utf8`), else in ASCII.
  std::string draw(bool utf8) const;

 private:
  std::vector<int64_t> columns_of(size_t layer, size_t experts_a_column) const;

  size_t num_layers_, num_experts_, experts_a_token_;
  int64_t tokens_ = 0;
  std::vector<int64_t> counts_;  // [layers, experts]
};

// By the locale of the environment.
bool speaks_utf8();

}  // namespace cli
