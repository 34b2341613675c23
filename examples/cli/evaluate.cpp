// `pensee evaluate`: asks every problem of a file and counts the right answers. Problem i, counted from 0, has the seed
// S + i and a session of its own: neither the order nor what else runs shows in a reply. Workers only wait: the library
// computes what all of them ask in common passes.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "commands.h"
#include "generate.h"
#include "json_writer.h"
#include "problems.h"
#include "settings.h"
#include "vote.h"

namespace cli {
namespace {

using ReplyHandle = std::unique_ptr<pensee_reply, Releaser<pensee_reply_free>>;
using VoteHandle = std::unique_ptr<pensee_vote, Releaser<pensee_vote_free>>;

struct EvaluateSettings {
  ModelSettings model;
  GenerationSettings generation;
  VoteSettings vote;
  bool json = false;
};

struct Result {
  bool right = false;
  std::string thought, answer;
  int32_t finish_reason = PENSEE_FINISH_NONE;
  int64_t thought_tokens = 0, answer_tokens = 0;
  int64_t tokens = 0;  // of all replies to the problem
};

int64_t tokens_of(const pensee_reply* reply) {
  const pensee_usage& usage = *pensee_reply_usage(reply);
  return usage.thought_tokens + usage.answer_tokens;
}

Result result_of(const Problem& problem, const pensee_reply* reply) {
  Result result;
  result.thought = pensee_reply_thought(reply);
  result.answer = pensee_reply_answer(reply);
  result.finish_reason = pensee_reply_finish_reason(reply);
  result.thought_tokens = pensee_reply_usage(reply)->thought_tokens;
  result.answer_tokens = pensee_reply_usage(reply)->answer_tokens;
  result.right = is_right(problem, result.answer);
  result.tokens = tokens_of(reply);
  return result;
}

// All problems, by threads that wait for the library.
class Evaluation {
 public:
  Evaluation(const ModelHandle& model, const std::vector<Problem>& problems, const EvaluateSettings& settings)
      : model_(model), problems_(problems), s_(settings), results_(problems.size()) {}

  // Calls on_result(i) in the order of the problems, on this thread; returns how many were asked: Ctrl-C ends it.
  template <class F>
  size_t run(F&& on_result) {
    Interrupt interrupt;
    std::vector<std::thread> workers;
    for (size_t i = 0; i < at_once(); i++) workers.emplace_back([this] { work(); });
    size_t told = 0;
    std::exception_ptr thrown;
    std::unique_lock lock(mutex_);
    for (;;) {
      for (; told < problems_.size() && results_[told] && !thrown; told++) {
        lock.unlock();
        try {
          on_result(told);
        } catch (...) {
          thrown = std::current_exception();
        }
        lock.lock();
      }
      if (ended_ == workers.size()) break;
      if (stopping_ || thrown || Interrupt::requested()) stop();
      changed_.wait_for(lock, std::chrono::milliseconds(50));
    }
    lock.unlock();
    for (std::thread& worker : workers) worker.join();
    if (thrown) std::rethrow_exception(thrown);
    if (failure_) throw *failure_;
    return told;
  }

  const Result& result(size_t i) const { return *results_[i]; }

 private:
  size_t at_once() const {
    const int32_t together = s_.model.options.max_concurrent > 0 ? s_.model.options.max_concurrent : 64;
    const int32_t each = s_.vote.wanted ? s_.vote.options.n : 1;
    return std::min<size_t>(problems_.size(), static_cast<size_t>(std::max(1, together / each)));
  }

  // Under the mutex. No further problem; those under way are cancelled, each time anew: one may be about to begin.
  void stop() {
    stopping_ = true;
    for (pensee_session* session : sessions_) pensee_session_cancel(session);
  }

  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      const size_t i = next_;
      if (stopping_ || i == problems_.size()) break;
      next_++;
      lock.unlock();
      try {
        Result result = ask(i);
        lock.lock();
        if (!stopping_) results_[i] = std::move(result);
      } catch (const Failure& error) {
        if (!lock.owns_lock()) lock.lock();
        if (!failure_) failure_ = Failure(error.status, "problem " + std::to_string(i + 1) + ": " + error.what());
        stopping_ = true;
      }
      changed_.notify_all();
    }
    const std::lock_guard lock(mutex_);
    ended_++;
    changed_.notify_all();
  }

  Result ask(size_t i) {
    const SessionHandle session = new_session(model_);
    {
      const std::lock_guard lock(mutex_);
      sessions_.push_back(session.get());
      if (stopping_) return {};
    }
    struct Leave {
      Evaluation& evaluation;
      pensee_session* session;
      ~Leave() {
        const std::lock_guard lock(evaluation.mutex_);
        std::erase(evaluation.sessions_, session);
      }
    } leave{*this, session.get()};
    pensee_prompt prompt = PENSEE_PROMPT_INIT;
    prompt.text = problems_[i].question.c_str();
    prompt.system = s_.generation.system;
    if (!s_.generation.tools_json.empty()) prompt.tools_json = s_.generation.tools_json.c_str();
    pensee_options options = s_.generation.request();
    options.seed += i;
    if (s_.vote.wanted) return vote(problems_[i], session, prompt, options);
    return reply(problems_[i], session, prompt, options);
  }

  static Result reply(const Problem& problem, const SessionHandle& session, const pensee_prompt& prompt,
                      const pensee_options& options) {
    pensee_reply* made = nullptr;
    pensee_error error = PENSEE_ERROR_INIT;
    const pensee_status status = pensee_session_ask(session.get(), &prompt, &options, &made, &error);
    check(status, error);
    const ReplyHandle owner(made);
    return result_of(problem, made);
  }

  // The first reply that comes to what most do; where no reply has an answer, the first.
  Result vote(const Problem& problem, const SessionHandle& session, const pensee_prompt& prompt,
              const pensee_options& options) const {
    pensee_vote* made = nullptr;
    pensee_error error = PENSEE_ERROR_INIT;
    const pensee_status status =
        pensee_session_vote(session.get(), &prompt, &options, &s_.vote.options, &made, &error);
    check(status, error);
    const VoteHandle owner(made);
    const pensee_vote_answer* winner = pensee_vote_get_answer(made, 0);
    Result result = result_of(problem, pensee_vote_get_reply(made, winner ? static_cast<size_t>(winner->reply) : 0));
    result.tokens = 0;
    for (size_t k = 0; k < pensee_vote_num_replies(made); k++) {
      result.tokens += tokens_of(pensee_vote_get_reply(made, k));
    }
    return result;
  }

  const ModelHandle& model_;
  const std::vector<Problem>& problems_;
  const EvaluateSettings& s_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<std::optional<Result>> results_;
  std::vector<pensee_session*> sessions_;
  std::optional<Failure> failure_;
  size_t next_ = 0, ended_ = 0;
  bool stopping_ = false;
};

struct Count {
  int64_t problems = 0, right = 0, thought_tokens = 0;
  void add(const Result& result) {
    problems++;
    right += result.right;
    thought_tokens += result.thought_tokens;
  }
  double accuracy() const { return mean(right); }
  double mean_thought() const { return mean(thought_tokens); }
  double mean(int64_t sum) const {
    return problems > 0 ? static_cast<double>(sum) / static_cast<double>(problems) : 0;
  }
};

struct Counts {
  Count total;
  std::map<std::string, Count> tasks;
  std::map<std::pair<std::string, std::string>, Count> levels;
  int64_t tokens = 0;
  void add(const Problem& problem, const Result& result) {
    total.add(result);
    tasks[problem.task].add(result);
    levels[{problem.task, problem.level}].add(result);
    tokens += result.tokens;
  }
};

std::string result_json(size_t i, const Problem& problem, const Result& result, const EvaluateSettings& s) {
  JsonWriter json;
  json.begin_object().member("kind", "problem").member("index", static_cast<int64_t>(i));
  json.member("task", problem.task).member("level", problem.level).member("right", result.right);
  if (!s.generation.hide_thought) json.member("thought", result.thought);
  json.member("answer", result.answer).member("finish_reason", finish_reason_name(result.finish_reason));
  json.member("thought_tokens", result.thought_tokens).member("answer_tokens", result.answer_tokens);
  json.member("seed", s.generation.options.seed + i);
  return json.end_object().line();
}

void write_count(JsonWriter& json, const Count& count) {
  json.member("problems", count.problems).member("right", count.right).member("accuracy", count.accuracy());
  json.member("mean_thought_tokens", count.mean_thought());
}

std::string total_json(const Counts& counts, double seconds) {
  JsonWriter json;
  json.begin_object().member("kind", "total");
  write_count(json, counts.total);
  json.member("tokens", counts.tokens).member("seconds", seconds);
  json.member("tokens_per_second", static_cast<double>(counts.tokens) / seconds);
  json.key("tasks").begin_array();
  for (const auto& [task, count] : counts.tasks) {
    json.begin_object().member("task", task);
    write_count(json, count);
    json.key("levels").begin_array();
    for (const auto& [key, level] : counts.levels) {
      if (key.first != task) continue;
      json.begin_object().member("level", key.second);
      write_count(json, level);
      json.end_object();
    }
    json.end_array().end_object();
  }
  return json.end_array().end_object().line();
}

std::string row(const std::string& task, const std::string& level, const Count& count) {
  char text[160];
  std::snprintf(text, sizeof text, "%-20.60s %-6.20s %6lld of %-6lld %6.1f %% %12.1f\n", task.c_str(), level.c_str(),
                static_cast<long long>(count.right), static_cast<long long>(count.problems), 100 * count.accuracy(),
                count.mean_thought());
  return without_controls(text);
}

std::string table(const Counts& counts) {
  std::string out = "task                 level       right         accuracy  mean thought\n";
  for (const auto& [task, count] : counts.tasks) {
    int64_t levels = 0;
    for (const auto& [key, level] : counts.levels) {
      if (key.first != task) continue;
      levels++;
      out += row(task, key.second, level);
    }
    if (levels > 1) out += row(task, "all", count);
  }
  return out + row("total", "", counts.total);
}

Flags evaluate_flags(EvaluateSettings& s) {
  Flags flags = {
      {"json", nullptr, "one line of JSON for each problem, then one with the counts",
       [&s](const char*) { s.json = true; }},
      {"quiet", nullptr, "no progress bar and no line of speed",
       [&s](const char*) { s.model.quiet = s.generation.quiet = true; }},
  };
  add_vote_flags(flags, s.vote);
  add_generation_flags(flags, s.generation);
  add_model_flags(flags, s.model);
  return flags;
}

}  // namespace

int evaluate_command(int argc, char** argv) {
  EvaluateSettings s;
  s.generation.options.seed = 1;
  s.vote.options.all = 1;  // which reply is shown does not depend on who was faster then
  const Command command = {
      "evaluate", "[OPTION]... [MODEL] PROBLEMS",
      "Asks every problem of a file and counts the right answers. PROBLEMS has a JSON object a line:\n"
      "  {\"task\": \"sum\", \"level\": 2, \"question\": \"...\", \"answer\": \"42\"}\n"
      "(capitals and spacing do not matter) or, where the answer is an expression of + - * ( ) over all the numbers,\n"
      "  {\"question\": \"...\", \"check\": {\"countdown\": {\"numbers\": [3, 5, 7], \"target\": 22}}}\n"
      "Problem i, counted from 0, has the seed S + i (--seed S, here 1 unless given), so a run can be repeated."};
  std::vector<std::string> positionals;
  if (!parse(command, evaluate_flags(s), argc, argv, positionals)) return exit_ok;
  if (positionals.empty()) throw UsageError("no PROBLEMS");
  if (positionals.size() > 2) throw UsageError("more than one file of problems");
  if (s.generation.options.seed == 0) throw UsageError("--seed: from 1 here, so that the run can be repeated");
  const std::vector<Problem> problems = read_problems(positionals.back());
  const ModelHandle model = open_model(positionals.size() == 2 ? positionals[0].c_str() : nullptr, s.model);
  const ModelHandle draft = open_draft(s.generation, s.model);

  Counts counts;
  const auto begin = std::chrono::steady_clock::now();
  Evaluation evaluation(model, problems, s);
  size_t asked = 0;
  {
    ProgressBar bar("asking");
    asked = evaluation.run([&](size_t i) {
      counts.add(problems[i], evaluation.result(i));
      if (s.json) write_output(result_json(i, problems[i], evaluation.result(i), s));
      if (!s.model.quiet) bar.show(static_cast<float>(i + 1) / static_cast<float>(problems.size()));
    });
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  write_output(s.json ? total_json(counts, seconds) : table(counts));
  if (!s.generation.quiet && !s.json) {
    std::fprintf(stderr, "%zu problems in %.1f s | %.1f tokens/s\n", asked, seconds,
                 static_cast<double>(counts.tokens) / seconds);
  }
  if (asked == problems.size()) return exit_ok;
  std::fprintf(stderr, "pensee: stopped after %zu of %zu problems\n", asked, problems.size());
  return exit_interrupted;
}

}  // namespace cli
