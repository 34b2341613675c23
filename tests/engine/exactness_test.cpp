// The promise of the native backend: a request's tokens and log-probabilities are the same bits alone, in any batch,
// with or without prefix cache and speculation, with 1 or 2 threads, after save, restore, fork and rewind. The oracle
// is the plainest way: one thread, one new session, no prefix cache, no guessing. Schedules mix all the others at
// random; every reply in them is compared.
#include <cstdlib>
#include <map>
#include <random>
#include <tuple>

#include "engine/client.h"
#include "engine/small_model.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const std::string kData = PENSEE_TEST_DATA "/goldens/data/";
constexpr int kSchedules = 500;

struct Question {
  std::vector<int32_t> prompt;
  pensee_options options = PENSEE_OPTIONS_INIT;
};

struct Outcome {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  bool operator==(const Outcome&) const = default;
};

bool take_into(pensee_stream* stream, std::vector<Outcome>& samples, size_t& ended) {
  pensee_event event = PENSEE_EVENT_INIT;
  PENSEE_REQUIRE_OK(pensee_stream_next(stream, -1, &event, &call_error));
  Outcome& to = samples[static_cast<size_t>(event.sample)];
  if (event.token_id >= 0) {
    to.tokens.push_back(event.token_id);
    to.logprobs.push_back(event.logprob);
  }
  if (event.kind != PENSEE_EVENT_END) return true;
  return ++ended < samples.size();
}

std::vector<Outcome> outcomes(pensee_session* session, const Question& q) {
  pensee_prompt prompt = prompt_of(q.prompt);
  pensee_stream* raw = nullptr;
  PENSEE_REQUIRE_OK(pensee_stream_open(session, &prompt, &q.options, &raw, &call_error));
  const StreamHandle stream(raw, pensee_stream_free);
  std::vector<Outcome> samples(static_cast<size_t>(std::max(q.options.n, 1)));
  size_t ended = 0;
  while (take_into(stream.get(), samples, ended)) {
  }
  return samples;
}

class Oracle {
 public:
  explicit Oracle(const std::string& path) : model_(open_model(path, plain())) {}

  Outcome operator()(Question q) {
    q.options.n = 1;
    q.options.speculation = PENSEE_SPECULATION_OFF;
    q.options.draft_model = nullptr;
    const auto key = std::make_tuple(q.prompt, q.options.seed, q.options.temperature, q.options.max_tokens);
    const auto known = known_.find(key);
    if (known != known_.end()) return known->second;
    const SessionHandle session = new_session(model_);
    return known_[key] = outcomes(session.get(), q).front();
  }

 private:
  static pensee_model_options plain() {
    pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
    options.threads = 1;
    options.prefix_cache_bytes = -1;
    return options;
  }
  ModelHandle model_;
  std::map<std::tuple<std::vector<int32_t>, uint64_t, float, int64_t>, Outcome> known_;
};

class Schedule {
 public:
  Schedule(const ModelHandle& model, const ModelHandle& draft, Oracle& oracle, int64_t vocab, uint32_t seed)
      : model_(model), draft_(draft), oracle_(oracle), vocab_(vocab), random_(seed) {}

  void run() {
    for (int i = 0; i < 2; ++i) sessions_.push_back(new_session(model_));
    const int steps = 3 + below(4);
    for (int i = 0; i < steps; ++i) step();
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<uint32_t>(n)); }
  SessionHandle& some_session() { return sessions_[static_cast<size_t>(below(static_cast<int>(sessions_.size())))]; }

  // Few beginnings, so that sessions meet in the prefix cache; lengths around a page's border.
  std::vector<int32_t> some_prompt() {
    std::mt19937 begin(static_cast<uint32_t>(below(3)));
    std::vector<int32_t> ids(static_cast<size_t>(below(3) == 0 ? 127 + below(4) : 1 + below(150)));
    for (int32_t& id : ids) id = static_cast<int32_t>(begin() % static_cast<uint32_t>(vocab_));
    if (below(2) == 0) ids.push_back(below(static_cast<int>(vocab_)));
    return ids;
  }

  Question some_question(const SessionHandle& session) {
    Question q;
    q.prompt = below(3) == 0 ? tokens_of(session) : some_prompt();
    if (q.prompt.empty() || q.prompt.size() > 220) q.prompt = some_prompt();
    if (below(4) == 0) q.prompt.push_back(below(static_cast<int>(vocab_)));
    q.options = below(2) == 0 ? greedy(1 + below(20)) : sampled(1 + below(20), 1 + static_cast<uint64_t>(below(3)));
    constexpr int32_t ways[] = {PENSEE_SPECULATION_OFF, PENSEE_SPECULATION_NGRAM, PENSEE_SPECULATION_AUTO,
                                PENSEE_SPECULATION_DRAFT};
    q.options.speculation = ways[below(draft_ ? 4 : 3)];
    if (q.options.speculation == PENSEE_SPECULATION_DRAFT) q.options.draft_model = draft_.get();
    q.options.priority = below(5) - 2;
    q.options.n = below(6) == 0 ? 2 + below(2) : 0;
    return q;
  }

  static std::vector<int32_t> tokens_of(const SessionHandle& session) {
    size_t count = 0;
    PENSEE_REQUIRE_OK(pensee_session_tokens(session.get(), nullptr, 0, &count, &call_error));
    std::vector<int32_t> ids(count);
    PENSEE_REQUIRE_OK(pensee_session_tokens(session.get(), ids.data(), count, &count, &call_error));
    return ids;
  }

  void step() {
    switch (below(6)) {
      case 0:
        return fork();
      case 1:
        return rewind();
      case 2:
        return save_and_restore();
      default:
        return ask_some();
    }
  }

  void fork() {
    pensee_session* copy = nullptr;
    PENSEE_REQUIRE_OK(pensee_session_fork(some_session().get(), &copy, &call_error));
    sessions_.emplace_back(copy, pensee_session_free);
  }

  void rewind() {
    const SessionHandle& session = some_session();
    const size_t count = tokens_of(session).size();
    const auto kept = static_cast<size_t>(below(static_cast<int>(count) + 1));
    PENSEE_REQUIRE_OK(pensee_session_rewind(session.get(), kept, &call_error));
    REQUIRE(tokens_of(session).size() == kept);
  }

  void save_and_restore() {
    SessionHandle& session = some_session();
    size_t size = 0;
    PENSEE_REQUIRE_OK(pensee_session_save_memory(session.get(), nullptr, 0, &size, &call_error));
    std::vector<char> bytes(size);
    PENSEE_REQUIRE_OK(pensee_session_save_memory(session.get(), bytes.data(), size, &size, &call_error));
    pensee_session* restored = nullptr;
    PENSEE_REQUIRE_OK(pensee_session_restore_memory(model_.get(), bytes.data(), size, &restored, &call_error));
    const std::vector<int32_t> before = tokens_of(session);
    session = SessionHandle(restored, pensee_session_free);
    REQUIRE(tokens_of(session) == before);
  }

  // One to four sessions at once, their events read in random turns; one of them may be cancelled midway.
  void ask_some() {
    struct Running {
      Question question;
      StreamHandle stream;
      std::vector<Outcome> samples;
      size_t ended = 0;
      bool open = true;
    };
    std::vector<Running> running;
    for (const SessionHandle& session : sessions_) {
      if (running.size() >= 4 || below(3) == 0) continue;
      Running r;
      r.question = some_question(session);
      r.samples.resize(static_cast<size_t>(std::max(r.question.options.n, 1)));
      r.stream = open_stream(session, prompt_of(r.question.prompt), r.question.options);
      running.push_back(std::move(r));
    }
    size_t open = running.size();
    while (open > 0) {
      Running& r = running[static_cast<size_t>(below(static_cast<int>(running.size())))];
      if (!r.open) continue;
      for (int i = below(8); i >= 0 && r.open; --i) r.open = take_into(r.stream.get(), r.samples, r.ended);
      open -= !r.open;
    }
    for (const Running& r : running) compare(r.question, r.samples);
  }

  void compare(const Question& question, const std::vector<Outcome>& samples) {
    for (size_t i = 0; i < samples.size(); ++i) {
      Question alone = question;
      if (question.options.temperature > 0)
        alone.options.seed = sample_seed(question.options.seed, static_cast<int>(i));
      const Outcome expected = oracle_(alone);
      REQUIRE(samples[i].tokens == expected.tokens);
      REQUIRE(samples[i].logprobs == expected.logprobs);
    }
  }

  const ModelHandle& model_;
  const ModelHandle& draft_;
  Oracle& oracle_;
  int64_t vocab_;
  std::mt19937 random_;
  std::vector<SessionHandle> sessions_;
};

}  // namespace

TEST_CASE("exactness: random schedules of everything give the bits of the plainest way") {
  struct Family {
    const char* folder;
    const char* draft;
  };
  const Family families[] = {{"deepseek_v3", nullptr}, {"qwen2", nullptr}, {"deepseek_v2_lite", nullptr}};
  int schedules = 0;
  for (const Family& family : families) {
    const std::string path = kData + family.folder;
    Oracle oracle(path);
    for (const int32_t threads : {1, 2}) {
      for (const int64_t prefix_bytes : {int64_t{-1}, int64_t{1} << 20}) {
        pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
        options.threads = threads;
        options.prefix_cache_bytes = prefix_bytes;
        const ModelHandle model = open_model(path, options);
        // A second opening of the same weights: every guess of a greedy reply comes true.
        const ModelHandle draft = open_model(path, options);
        pensee_model_info info = PENSEE_MODEL_INFO_INIT;
        PENSEE_REQUIRE_OK(pensee_model_get_info(model.get(), &info, &call_error));
        for (int i = 0; i < kSchedules / 12 + 1; ++i) {
          const auto seed = static_cast<uint32_t>(++schedules);
          CAPTURE(std::string(family.folder));
          CAPTURE(threads);
          CAPTURE(prefix_bytes);
          CAPTURE(seed);
          Schedule(model, draft, oracle, info.vocab_size, seed).run();
        }
      }
    }
  }
  CHECK(schedules >= kSchedules);
}
