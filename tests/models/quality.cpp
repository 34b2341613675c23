// model_quality TEXT [tokens] MODEL...: what a backend's rounding costs in quality. Scores the text in float32
// arithmetic on the decoded weights (OpenBLAS, else oneDNN), then in each other way, of a mixture also with float32's
// choice of experts, and prints rows of a table in Markdown with the distance (models/quality.h); and how far its
// decoded weights lie from those of the first model, for files of one model in several types, as
// tests/bench/requantise.py makes. Not a test: real weights are needed.
#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "models/quality.h"

using namespace pensee;
using namespace pensee::test;

namespace {

struct Way {
  const char* name;
  const char* backend;
  Activations activations;
  bool exact;
};
constexpr Way kWays[] = {{"native, int16", "native", Activations::int16, true},
                         {"native, int8", "native", Activations::int8, true},
                         {"onednn, not exact", "onednn", Activations::int16, false}};

EngineOptions options_of(const Way& way) {
  EngineOptions options;
  options.backend = way.backend;
  options.activations = way.activations;
  options.exact = way.exact;
  return options;
}

void print_row(const std::string& file, const char* way, const Scored& truth, const Scored& other) {
  const Distance d = distance(truth, other);
  std::printf("| %s | %s | %.7f | %.5f | %.6f | %.6f | %.2f %% | %.4f |\n", file.c_str(), way, d.mean, d.most_of_99,
              d.cosine, d.least_cosine, 100 * d.same_best, d.loss);
  std::fflush(stdout);
}

bool measure(const std::string& model, const std::string& text, size_t most, std::optional<Scored>& first) {
  const char* reference = backend_built_in("blas") ? "blas" : "onednn";
  const auto truth = score_text(model, text, most, options_of({"", reference, Activations::int16, true}));
  if (!truth.ok()) return std::printf("%s\n", truth.status().message().c_str()), false;
  const std::string name = model.substr(model.find_last_of('/') + 1);
  if (!first) first = *truth;
  if (first->ids == truth->ids) print_row(name, "float32, from the first file", *first, *truth);
  for (const Way& way : kWays) {
    if (!backend_built_in(way.backend)) continue;
    const auto other = score_text(model, text, most, options_of(way));
    if (!other.ok()) return std::printf("%s\n", other.status().message().c_str()), false;
    print_row(name, way.name, *truth, *other);
    if (truth->routing.ids.empty()) continue;
    const auto replayed = score_text(model, text, most, options_of(way), &truth->routing);
    if (!replayed.ok()) return std::printf("%s\n", replayed.status().message().c_str()), false;
    print_row(name, (std::string(way.name) + ", float32's experts").c_str(), *truth, *replayed);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  int next = 1;
  const char* path = next < argc ? argv[next++] : "";
  const long tokens = next < argc ? std::atol(argv[next]) : 0;
  if (tokens > 0) ++next;
  if (next >= argc) return std::printf("model_quality TEXT [tokens] MODEL...\n"), 2;
  const auto file = open_file(path);
  if (!file.ok()) return std::printf("%s\n", file.status().message().c_str()), 1;
  const auto text = read_text(**file, 64 << 20);
  if (!text.ok()) return std::printf("%s\n", text.status().message().c_str()), 1;
  std::printf("| file | way | KL mean | KL 99 %% | cosine | least of a row | same best | loss |\n");
  std::printf("|---|---|---:|---:|---:|---:|---:|---:|\n");
  std::optional<Scored> first;
  for (; next < argc; ++next) {
    if (!measure(argv[next], *text, tokens > 0 ? static_cast<size_t>(tokens) : 1024, first)) return 1;
  }
  return 0;
}
