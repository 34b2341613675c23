// How far one way of computing a model lies from another, over the rows of a text: Kullback-Leibler divergence of the
// distributions over the next token (in nats), cosine of the logits, and how often the likeliest token is the same.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace pensee::test {

struct Scored {
  std::vector<int32_t> ids;
  std::vector<std::vector<float>> logits;
  ExpertRow routing;
};

// With `experts`, of the same text, these are taken in place of the router's choice.
inline Result<Scored> score_text(const std::string& model, const std::string& text, size_t most,
                                 const EngineOptions& options, const ExpertRow* experts = nullptr) {
  PENSEE_ASSIGN(const auto engine, open_engine(model, options));
  PENSEE_TRY(engine->require_tokenizer());
  Scored found;
  PENSEE_ASSIGN(found.ids, engine->content.tokenizer->encode(text, {}));
  found.ids.resize(std::min(found.ids.size(), most));
  ScoreOptions how;
  how.routing = &found.routing;
  if (experts) how.replay = experts->ids;
  PENSEE_TRY(engine->score(found.ids, how, [&](int64_t, std::span<const float> row) {
    found.logits.emplace_back(row.begin(), row.end());
  }));
  return found;
}

inline double log_sum_exp(std::span<const float> x) {
  const double top = static_cast<double>(*std::max_element(x.begin(), x.end()));
  double sum = 0;
  for (const float v : x) sum += std::exp(static_cast<double>(v) - top);
  return top + std::log(sum);
}

inline double divergence(std::span<const float> p, std::span<const float> q) {
  const double p_sum = log_sum_exp(p), q_sum = log_sum_exp(q);
  double total = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double log_p = static_cast<double>(p[i]) - p_sum;
    total += std::exp(log_p) * (log_p - (static_cast<double>(q[i]) - q_sum));
  }
  return total;
}

inline double cosine_of(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    aa += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    bb += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return ab / std::sqrt(aa * bb);
}

struct Distance {
  double mean = 0, most_of_99 = 0, most = 0;  // divergence
  double cosine = 1, least_cosine = 1;        // of all rows as one vector; of one row
  double same_best = 0;                       // share of rows
  double loss = 0;                            // of `other` on the text
};

inline Distance distance(const Scored& truth, const Scored& other) {
  const auto best = [](const std::vector<float>& r) { return std::max_element(r.begin(), r.end()) - r.begin(); };
  Distance d;
  std::vector<double> kl;
  std::vector<float> all_truth, all_other;
  for (size_t i = 0; i < truth.logits.size(); ++i) {
    kl.push_back(divergence(truth.logits[i], other.logits[i]));
    d.mean += kl.back();
    d.least_cosine = std::min(d.least_cosine, cosine_of(truth.logits[i], other.logits[i]));
    d.same_best += best(truth.logits[i]) == best(other.logits[i]);
    all_truth.insert(all_truth.end(), truth.logits[i].begin(), truth.logits[i].end());
    all_other.insert(all_other.end(), other.logits[i].begin(), other.logits[i].end());
    if (i + 1 < truth.ids.size()) {
      const auto next = static_cast<size_t>(truth.ids[i + 1]);
      d.loss += log_sum_exp(other.logits[i]) - static_cast<double>(other.logits[i][next]);
    }
  }
  const auto count = static_cast<double>(kl.size());
  std::sort(kl.begin(), kl.end());
  d.mean /= count;
  d.most_of_99 = kl[kl.size() * 99 / 100];
  d.most = kl.back();
  d.cosine = cosine_of(all_truth, all_other);
  d.same_best /= count;
  d.loss /= std::max(count - 1, 1.0);
  return d;
}

}  // namespace pensee::test
