// The measuring half of `pensee bench`. A prompt is timed on top of `depth` tokens that the session already knows, as
// the time to the first token after them; decoding on top of the same depth, as the rate of the tokens after the first.
// The tokens are random but the same in every run, so that the hash of what is decoded can be compared: drawn with one
// seed, as the likeliest of random weights go in circles, which always take the same experts. Nothing is guessed
// ahead.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "bench.h"
#include "machine.h"

namespace cli {
namespace {

class TokenSource {
 public:
  explicit TokenSource(int64_t vocab_size) : range_(static_cast<uint64_t>(std::clamp<int64_t>(vocab_size, 1, 32000))) {}
  void append(std::vector<int32_t>& ids, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX generator
      ids.push_back(static_cast<int32_t>((state_ >> 33) % range_));
    }
  }

 private:
  uint64_t range_;
  uint64_t state_ = 1;
};

struct Generated {
  pensee_usage usage = {};
  uint64_t hash = 0xcbf29ce484222325u;
};

int on_event(void* user, const pensee_event* event) {
  auto& generated = *static_cast<Generated*>(user);
  if (event->usage) generated.usage = *event->usage;
  if (event->token_id < 0) return 0;
  for (int shift = 0; shift < 32; shift += 8) {
    generated.hash ^= (static_cast<uint32_t>(event->token_id) >> shift) & 0xFF;
    generated.hash *= 0x100000001b3u;
  }
  return 0;
}

Generated run(const SessionHandle& session, const std::vector<int32_t>& ids, int64_t max_tokens) {
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  prompt.ids = ids.data();
  prompt.num_ids = ids.size();
  pensee_options options = PENSEE_OPTIONS_INIT;
  options.max_tokens = max_tokens;
  options.temperature = 1;
  options.top_k = 40;
  options.top_p = 1;
  options.seed = 1;
  options.ignore_eos = 1;
  options.loop_guard = PENSEE_LOOP_GUARD_OFF;
  options.speculation = PENSEE_SPECULATION_OFF;
  Generated generated;
  pensee_error error = PENSEE_ERROR_INIT;
  const pensee_status status = pensee_generate(session.get(), &prompt, &options, on_event, &generated, &error);
  check(status, error);
  return generated;
}

void measure_depth(const BenchSettings& settings, const SessionHandle& session, int64_t vocab_size, BenchRow& row) {
  TokenSource source(vocab_size);
  std::vector<int32_t> deep;
  source.append(deep, row.depth);
  if (!deep.empty()) run(session, deep, 1);
  for (int32_t i = 0; i < settings.repeat; i++) {
    // Another prompt each time: nothing after the depth may be found in the cache.
    std::vector<int32_t> ids = deep;
    source.append(ids, settings.prompt);
    const pensee_usage usage = run(session, ids, 1).usage;
    const auto computed = static_cast<double>(usage.prompt_tokens - usage.cached_tokens);
    row.prompt_tokens_per_second =
        std::max(row.prompt_tokens_per_second, computed / std::max(usage.seconds_to_first_token, 1e-9));
  }
  deep.push_back(1);
  for (int32_t i = 0; i < settings.repeat; i++) {
    const Generated generated = run(session, deep, settings.tokens + 1);
    row.tokens_per_second = std::max(row.tokens_per_second, generated.usage.tokens_per_second);
    if (i > 0 && row.hash != generated.hash) row.repeatable = 0;
    row.hash = generated.hash;
  }
}

void send(int pipe_fd, const BenchRow& row) {
  const char* bytes = reinterpret_cast<const char*>(&row);
  for (size_t done = 0; done < sizeof row;) {
    const ssize_t n = write(pipe_fd, bytes + done, sizeof row - done);
    if (n <= 0) return;  // the parent is gone
    done += static_cast<size_t>(n);
  }
}

}  // namespace

void measure_backend(const BenchSettings& settings, int32_t backend, int pipe_fd) {
  BenchRow row;
  try {
    ModelSettings model_settings = settings.model;
    model_settings.options.backend = backend;
    const ModelHandle model = open_model(settings.path.c_str(), model_settings);
    const pensee_model_info info = model_info(model);
    const SessionHandle session = new_session(model);
    for (const int64_t depth : settings.depths) {
      row = BenchRow();
      row.depth = depth;
      row.threads = info.threads;
      row.load_seconds = info.load_seconds;
      row.active_weight_bytes = info.active_weight_bytes;
      std::snprintf(row.isa, sizeof row.isa, "%s", info.isa);
      if (depth + std::max(settings.prompt + 1, settings.tokens + 2) > info.context_max) {
        row.kind = BenchRow::skipped;
        std::snprintf(row.message, sizeof row.message, "deeper than the context of %lld tokens",
                      static_cast<long long>(info.context_max));
      } else {
        measure_depth(settings, session, info.vocab_size, row);
        row.kind = BenchRow::measured;
      }
      row.peak_memory_bytes = peak_memory_bytes();
      send(pipe_fd, row);
    }
  } catch (const Failure& error) {
    row.kind = error.status == PENSEE_UNSUPPORTED ? BenchRow::skipped : BenchRow::failed;
    row.status = error.status;
    std::snprintf(row.message, sizeof row.message, "%s: %s", pensee_status_name(error.status), error.what());
    send(pipe_fd, row);
  }
}

}  // namespace cli
