// What settings of a sampler mean to a caller: their ranges, and the names of the kinds.
#include <cmath>

#include "sampling/sampler_chain.h"

namespace pensee {
namespace {

// A row of the table of ranges; both ends belong to the range, and NaN lies in none.
struct Range {
  std::string_view field;
  double value, least, most;
};

Status check_order(const std::vector<SamplerKind>& order) {
  for (size_t i = 0; i < order.size(); ++i) {
    if (sampler_name(order[i]).empty()) {
      return Status::format(Code::bad_argument, "order[{}] is {}, which is no sampler", i,
                            static_cast<int32_t>(order[i]));
    }
    for (size_t j = 0; j < i; ++j) {
      if (order[j] == order[i]) {
        return Status::format(Code::bad_argument, "order names '{}' twice", sampler_name(order[i]));
      }
    }
  }
  return Status();
}

}  // namespace

std::string_view sampler_name(SamplerKind kind) {
  const SamplerRow* row = find_sampler(kind);
  return row ? row->name : std::string_view();
}

Result<SamplerKind> sampler_kind(std::string_view name) {
  std::string known;
  for (const SamplerRow& row : sampler_table()) {
    if (row.name == name) return row.kind;
    known += known.empty() ? "" : ", ";
    known += row.name;
  }
  return Status::format(Code::bad_argument, "no sampler is called '{}'; there are {}", name, known);
}

Status check(const SamplerSettings& s, int32_t vocab_size) {
  constexpr double most_id = 2147483647.0;
  const Range ranges[] = {
      {"temperature", s.temperature, 0, 1e9},
      {"top_k", static_cast<double>(s.top_k), 0, most_id},
      {"top_p", s.top_p, 0, 1},
      {"min_p", s.min_p, 0, 1},
      {"typical_p", s.typical_p, 0, 1},
      {"top_n_sigma", s.top_n_sigma, 0, 1e9},
      {"xtc_probability", s.xtc_probability, 0, 1},
      {"xtc_threshold", s.xtc_threshold, 0, 1},
      {"dry_multiplier", s.dry_multiplier, 0, 1e9},
      {"dry_base", s.dry_base, 1, 1e9},
      {"dry_allowed_length", static_cast<double>(s.dry_allowed_length), 0, most_id},
      {"dry_last_n", static_cast<double>(s.dry_last_n), -1, most_id},
      {"repetition_penalty", s.repetition_penalty, 1e-3, 1e3},
      {"frequency_penalty", s.frequency_penalty, -100, 100},
      {"presence_penalty", s.presence_penalty, -100, 100},
      {"penalty_last_n", static_cast<double>(s.penalty_last_n), -1, most_id},
      {"mirostat_tau", s.mirostat_tau, 0, 1e3},
      {"mirostat_eta", s.mirostat_eta, 0, 1e3},
  };
  for (const Range& r : ranges) {
    if (!(r.value >= r.least && r.value <= r.most)) {
      return Status::format(Code::bad_argument, "{} is {}; it lies between {} and {}", r.field, r.value, r.least,
                            r.most);
    }
  }
  if (s.mirostat != 0 && s.mirostat != 2) {
    return Status::format(Code::bad_argument, "mirostat is {}; 0 (off) or 2", s.mirostat);
  }
  for (const auto& [id, bias] : s.logit_bias) {
    if (id < 0 || id >= vocab_size) {
      return Status::format(Code::bad_argument, "logit_bias: no token {}; ids are below {}", id, vocab_size);
    }
    if (std::isnan(bias) || bias == INFINITY) {
      return Status::format(Code::bad_argument, "logit_bias of token {} is {}; a number or -infinity", id, bias);
    }
  }
  for (const int32_t id : s.dry_breakers) {
    if (id < 0 || id >= vocab_size) {
      return Status::format(Code::bad_argument, "dry_breakers: no token {}; ids are below {}", id, vocab_size);
    }
  }
  return check_order(s.order);
}

}  // namespace pensee
