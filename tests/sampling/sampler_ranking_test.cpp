// Cuts and draws in vocabularies of any length, against a stable sort in double precision: short ones are sorted, long
// ones seen by classes.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "sampling/draws.h"

using namespace pensee;
using namespace pensee::test;

TEST_CASE("sampler: in any vocabulary each draw is where its number points in the ranking") {
  // The draw once more in double precision, with a stable sort; numbers within rounding of a border may fall beside it.
  std::mt19937 random(6);
  for (const size_t vocab : {20u, 700u, 3000u, 40000u, 151936u}) {
    const auto logits = random_logits(random, vocab, 3);
    std::vector<int32_t> ids(vocab);
    std::iota(ids.begin(), ids.end(), 0);
    const auto logit = [&](int32_t id) { return static_cast<double>(logits[static_cast<size_t>(id)]); };
    std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return logit(a) > logit(b); });
    std::vector<double> until(vocab);
    double sum = 0;
    for (size_t i = 0; i < vocab; ++i) until[i] = sum += std::exp(logit(ids[i]) - logit(ids[0]));
    for (const float min_p : {0.0f, 1e-6f}) {
      SamplerSettings s = at(1);
      s.min_p = min_p;
      Sampler sampler(s, 77, kernels());
      Random numbers(77);
      int beside = 0;
      for (int i = 0; i < 40; ++i) {
        const double wanted = numbers.unit() * sum;
        const auto rank = std::find(ids.begin(), ids.end(), sampler.sample(logits)) - ids.begin();
        const double low = rank == 0 ? 0 : until[static_cast<size_t>(rank) - 1],
                     high = until[static_cast<size_t>(rank)];
        const double slack = (min_p > 0 ? 0.02 : 1e-5) * sum;  // the tail below min_p weighs that much at most
        if (wanted < low || wanted >= high) ++beside;
        CHECK(wanted >= low - slack);
        CHECK(wanted < high + slack);
      }
      if (min_p == 0) CHECK(beside < 10);
    }
  }
}

TEST_CASE("sampler: in any vocabulary each draw of a nucleus is where its number points in the ranking") {
  std::mt19937 random(16);
  int draws_beside = 0;
  for (const size_t vocab : {600u, 5000u, 151936u}) {
    for (const double spread : {0.0, 0.3, 1.0, 4.0}) {
      auto logits = random_logits(random, vocab, spread + 0.01);
      if (spread == 0) std::fill(logits.begin(), logits.end(), 1.0f);  // ties, to the lower id
      std::vector<int32_t> ids(vocab);
      std::iota(ids.begin(), ids.end(), 0);
      const auto logit = [&](int32_t id) { return static_cast<double>(logits[static_cast<size_t>(id)]); };
      std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return logit(a) > logit(b); });
      std::vector<double> until(vocab);
      std::vector<size_t> rank(vocab);
      double sum = 0;
      for (size_t i = 0; i < vocab; ++i) {
        until[i] = sum += std::exp(logit(ids[i]) - logit(ids[0]));
        rank[static_cast<size_t>(ids[i])] = i;
      }
      for (const float top_p : {0.01f, 0.5f, 0.95f, 0.999f}) {
        CAPTURE(vocab);
        CAPTURE(spread);
        CAPTURE(top_p);
        const double nucleus = static_cast<double>(top_p) * sum;
        const auto last = std::lower_bound(until.begin(), until.end(), nucleus);
        const double kept = *last, least = kept - (last == until.begin() ? 0 : last[-1]);
        const double slack = 2e-5 * sum + least;  // whether the last one stays is a matter of rounding
        SamplerSettings s = at(1);
        s.top_p = top_p;
        Sampler sampler(s, 78, kernels());
        Random numbers(78);
        for (int i = 0; i < 12; ++i) {
          const double wanted = numbers.unit() * kept;
          const size_t found = rank[static_cast<size_t>(sampler.sample(logits))];
          const double low = found == 0 ? 0 : until[found - 1];
          draws_beside += wanted < low || wanted >= until[found];
          CHECK(wanted >= low - slack);
          CHECK(wanted < until[found] + slack);
        }
      }
    }
  }
  CHECK(draws_beside < 60);  // of 576
}

TEST_CASE("sampler: what goes before or after a nucleus of much of a vocabulary works on what is left") {
  // Ranking, cuts and draws once more in double precision. Where rounding moves a border it does so by one token.
  std::mt19937 random(26);
  const auto logits = random_logits(random, 6000, 0.5);
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto p = [&](size_t rank) { return std::exp(static_cast<double>(logits[static_cast<size_t>(ids[rank])])); };
  const auto logit = [&](int32_t id) { return logits[static_cast<size_t>(id)]; };
  std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return logit(a) > logit(b); });
  const auto nucleus = [&](double share, size_t of) {
    double sum = 0, until = 0;
    for (size_t i = 0; i < of; ++i) sum += p(i);
    size_t left = 0;
    while (until < share * sum) until += p(left++);
    return left;
  };
  size_t bound = 0;
  while (p(bound) >= 0.3 * p(0)) ++bound;
  const size_t all = ids.size(), most = nucleus(0.9, all);
  double in_nucleus = 0;
  for (size_t i = 0; i < most; ++i) in_nucleus += p(i);
  REQUIRE(bound + 100 < most);

  using K = SamplerKind;
  const auto settings = [](std::vector<K> order, float top_p) {
    SamplerSettings s = at(1);
    s.order = std::move(order);
    s.top_p = top_p;
    s.min_p = 0.3f;
    s.top_k = 1500;
    s.typical_p = 0.9999999f;
    s.xtc_probability = 1;
    return s;
  };
  struct {
    SamplerSettings settings;
    size_t first, left;  // ranks of those that may come
    double power = 1;
  } cases[] = {
      {settings({K::top_p}, 0.9f), 0, most},
      {settings({K::top_p, K::min_p}, 0.9f), 0, bound},
      {settings({K::top_p, K::min_p}, 0.2f), 0, nucleus(0.2, all)},
      {settings({K::min_p, K::top_p}, 0.9f), 0, nucleus(0.9, bound)},
      {settings({K::top_p, K::top_k}, 0.9f), 0, 1500},
      {settings({K::top_p, K::typical_p}, 0.9f), 0, most},
      {settings({K::top_p, K::temperature}, 0.9f), 0, most, 0.5},
      {settings({K::top_p, K::xtc}, 0.9f), 99, most},
      {settings({K::top_p, K::xtc, K::min_p}, 0.9f), 0, bound},  // nothing is likely enough for XTC
  };
  cases[6].settings.temperature = 2;
  cases[7].settings.xtc_threshold = static_cast<float>((p(99) + p(100)) / 2 / in_nucleus);
  for (const auto& c : cases) {
    CAPTURE(&c - cases);
    std::vector<double> until(all);
    double sum = 0;
    for (size_t i = 0; i < all; ++i) until[i] = sum += i < c.first || i >= c.left ? 0 : std::pow(p(i), c.power);
    const double slack = 2e-5 * sum + 2 * (until[c.left - 1] - until[c.left - 2]);
    Sampler sampler(c.settings, 79, kernels());
    Random numbers(79);
    const bool xtc = std::count(c.settings.order.begin(), c.settings.order.end(), K::xtc) > 0;
    for (int i = 0; i < 200; ++i) {
      if (xtc) numbers.next();
      const double wanted = numbers.unit() * sum;
      const auto found = static_cast<size_t>(std::find(ids.begin(), ids.end(), sampler.sample(logits)) - ids.begin());
      CHECK(found <= c.left);
      CHECK(wanted >= (found == 0 ? 0 : until[found - 1]) - slack);
      CHECK(wanted < until[found] + slack);
    }
  }
}
