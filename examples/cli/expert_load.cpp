// Shades run from nothing to the busiest column of the whole map, so that rows can be compared with each other.
#include "expert_load.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace cli {
namespace {

constexpr size_t columns_max = 64;
constexpr const char* ascii_shades[] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
constexpr const char* block_shades[] = {" ",
                                        "\xe2\x96\x81",
                                        "\xe2\x96\x82",
                                        "\xe2\x96\x83",
                                        "\xe2\x96\x84",
                                        "\xe2\x96\x85",
                                        "\xe2\x96\x86",
                                        "\xe2\x96\x87",
                                        "\xe2\x96\x88"};
constexpr int64_t shades = 8;  // beside the empty one

}  // namespace

ExpertLoad::ExpertLoad(const pensee_model_info& info)
    : num_layers_(static_cast<size_t>(std::max<int64_t>(info.num_moe_layers, 0))),
      num_experts_(static_cast<size_t>(std::max<int64_t>(info.n_routed_experts, 0))),
      experts_a_token_(static_cast<size_t>(std::max<int64_t>(info.num_experts_per_tok, 0))),
      counts_(num_layers_ * num_experts_, 0) {}

void ExpertLoad::add(const pensee_event& event) {
  if (!event.expert_ids || experts_a_token_ == 0 || event.num_experts != num_layers_ * experts_a_token_) return;
  for (size_t i = 0; i < event.num_experts; i++) {
    const int32_t expert = event.expert_ids[i];
    if (expert < 0 || static_cast<size_t>(expert) >= num_experts_) continue;
    counts_[i / experts_a_token_ * num_experts_ + static_cast<size_t>(expert)]++;
  }
  tokens_++;
}

std::vector<int64_t> ExpertLoad::columns_of(size_t layer, size_t experts_a_column) const {
  std::vector<int64_t> columns((num_experts_ + experts_a_column - 1) / experts_a_column, 0);
  for (size_t e = 0; e < num_experts_; e++) columns[e / experts_a_column] += counts_[layer * num_experts_ + e];
  return columns;
}

std::string ExpertLoad::draw(bool utf8) const {
  if (counts_.empty()) return "experts: this model has none\n";
  if (tokens_ == 0) return "experts: no token told its own\n";
  const size_t experts_a_column = (num_experts_ + columns_max - 1) / columns_max;
  std::vector<std::vector<int64_t>> rows;
  int64_t most = 1;
  for (size_t layer = 0; layer < num_layers_; layer++) {
    rows.push_back(columns_of(layer, experts_a_column));
    most = std::max(most, *std::max_element(rows.back().begin(), rows.back().end()));
  }
  char text[160];
  std::snprintf(text, sizeof text, "experts chosen by %lld tokens, %zu of %zu each; a column is %zu expert%s\n",
                static_cast<long long>(tokens_), experts_a_token_, num_experts_, experts_a_column,
                experts_a_column == 1 ? "" : "s");
  std::string out = text;
  for (size_t layer = 0; layer < num_layers_; layer++) {
    std::snprintf(text, sizeof text, "%4zu |", layer);
    out += text;
    for (const int64_t count : rows[layer]) {
      const auto shade = static_cast<size_t>((count * shades + most - 1) / most);
      out += utf8 ? block_shades[shade] : ascii_shades[shade];
    }
    const auto first = counts_.begin() + static_cast<std::ptrdiff_t>(layer * num_experts_);
    const auto busiest = std::max_element(first, first + static_cast<std::ptrdiff_t>(num_experts_));
    std::snprintf(text, sizeof text, "| busiest %td: %.0f%% of the tokens\n", busiest - first,
                  100.0 * static_cast<double>(*busiest) / static_cast<double>(tokens_));
    out += text;
  }
  return out;
}

bool speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (!value || !*value) continue;
    return std::strstr(value, "UTF-8") || std::strstr(value, "utf8") || std::strstr(value, "utf-8");
  }
  return false;
}

}  // namespace cli
