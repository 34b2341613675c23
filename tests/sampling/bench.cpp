// Not a test: milliseconds of one thread to draw a token from random normal logits, by their standard deviation (0.01:
// near equals, of which much is in a nucleus; 5 and more: what models give) and by the samplers at work. The best of
// many draws; the softmax that each contains stands last.
//
//   sampling_bench [VOCABULARY]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "sampling/draws.h"

using namespace pensee;
using namespace pensee::test;

namespace {

struct Way {
  const char* name;
  float temperature, top_p, min_p;
  int32_t top_k;
};
constexpr Way kWays[] = {{"top-p 0.95", 1, 0.95f, 0, 0},
                         {"top-p 0.95, T 0.6", 0.6f, 0.95f, 0, 0},
                         {"no cut", 1, 1, 0, 0},
                         {"min-p 0.05", 1, 1, 0.05f, 0},
                         {"top-k 20, top-p 0.95, T 0.6", 0.6f, 0.95f, 0, 20}};

template <class F>
double best_milliseconds(F&& draw) {
  double best = 1e9;
  for (int i = 0; i < 40; ++i) {
    const auto start = std::chrono::steady_clock::now();
    draw();
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const auto vocabulary = static_cast<size_t>(argc > 1 ? std::atol(argv[1]) : 151936);
  std::printf("| standard deviation |");
  for (const Way& way : kWays) std::printf(" %s |", way.name);
  std::printf(" softmax |\n|---:|---:|---:|---:|---:|---:|---:|\n");
  for (const double deviation : {0.01, 0.5, 2.0, 5.0, 8.0}) {
    std::mt19937 random(1);
    const std::vector<float> logits = random_logits(random, vocabulary, deviation);
    std::vector<float> room(vocabulary);
    std::printf("| %g |", deviation);
    for (const Way& way : kWays) {
      SamplerSettings settings = at(way.temperature);
      settings.top_p = way.top_p;
      settings.min_p = way.min_p;
      settings.top_k = way.top_k;
      Sampler sampler(settings, 7, kernels());
      std::printf(" %.3f |", best_milliseconds([&] { sampler.sample(logits, {}, {}); }));
    }
    std::printf(" %.3f |\n", best_milliseconds([&] {
                  kernels().softmax(logits.data(), room.data(), static_cast<int64_t>(vocabulary));
                }));
    std::fflush(stdout);
  }
}
