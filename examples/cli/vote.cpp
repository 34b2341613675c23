// The library's vote waits for its replies, so it runs on a thread of its own while this one watches for Ctrl-C.
#include "vote.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <future>

#include "generate.h"
#include "json_writer.h"
#include "reply_printer.h"

namespace cli {
namespace {

using VoteHandle = std::unique_ptr<pensee_vote, Releaser<pensee_vote_free>>;

VoteHandle vote(const SessionHandle& session, const pensee_prompt& prompt, const pensee_options& options,
                const pensee_vote_options& vote_options) {
  constexpr auto poll = std::chrono::milliseconds(50);
  Interrupt interrupt;
  pensee_vote* made = nullptr;
  pensee_error error = PENSEE_ERROR_INIT;
  std::future<pensee_status> done = std::async(std::launch::async, [&] {
    return pensee_session_vote(session.get(), &prompt, &options, &vote_options, &made, &error);
  });
  while (done.wait_for(poll) != std::future_status::ready) {
    if (Interrupt::requested()) pensee_session_cancel(session.get());
  }
  const pensee_status status = done.get();
  check(status, error);
  return VoteHandle(made);
}

std::string as_json(const pensee_vote* vote) {
  JsonWriter json;
  json.begin_object().member("kind", "vote").key("answers").begin_array();
  for (size_t i = 0; i < pensee_vote_num_answers(vote); i++) {
    const pensee_vote_answer* answer = pensee_vote_get_answer(vote, i);
    json.begin_object().member("answer", answer->answer).member("votes", answer->votes);
    json.member("weight", static_cast<double>(answer->weight)).member("reply", answer->reply).end_object();
  }
  json.end_array().key("replies").begin_array();
  for (size_t i = 0; i < pensee_vote_num_replies(vote); i++) {
    const pensee_reply* reply = pensee_vote_get_reply(vote, i);
    json.begin_object().member("thought", pensee_reply_thought(reply)).member("answer", pensee_reply_answer(reply));
    json.member("finish_reason", finish_reason_name(pensee_reply_finish_reason(reply)));
    write_usage(json, *pensee_reply_usage(reply));
    json.end_object();
  }
  return json.end_array().end_object().line();
}

// "  12 of 16  #############       75%  42"
std::string distribution(const pensee_vote* vote) {
  constexpr int width = 20;
  const size_t replies = pensee_vote_num_replies(vote);
  std::string out;
  for (size_t i = 0; i < pensee_vote_num_answers(vote); i++) {
    const pensee_vote_answer* answer = pensee_vote_get_answer(vote, i);
    const int filled = std::clamp(static_cast<int>(answer->weight * width + 0.5f), 1, width);
    std::string bar(static_cast<size_t>(filled), '#');
    bar.resize(width, ' ');
    char text[96];
    std::snprintf(text, sizeof text, "%4d of %zu  %s %4.0f%%  ", answer->votes, replies, bar.c_str(),
                  100.0 * static_cast<double>(answer->weight));
    out += text + without_controls(answer->answer) + "\n";
  }
  size_t without = 0;
  for (size_t i = 0; i < replies; i++) {
    const int32_t reason = pensee_reply_finish_reason(pensee_vote_get_reply(vote, i));
    if (reason == PENSEE_FINISH_CANCELLED || reason == PENSEE_FINISH_ERROR) without++;
  }
  if (without > 0) out += "(" + std::to_string(without) + " replies were stopped and have no vote)\n";
  return out;
}

}  // namespace

void add_vote_flags(Flags& flags, VoteSettings& settings) {
  pensee_vote_options& o = settings.options;
  const Flags rows = {
      {"vote", "N", "ask N times and print what most replies come to",
       [&settings](const char* v) {
         settings.options.n = static_cast<int32_t>(parse_integer("--vote", v, 1, 1024));
         settings.wanted = true;
       }},
      {"vote-weighting", "HOW", "plain (default), or confidence: each weighs its mean probability",
       [&o](const char* v) {
         o.weighting = parse_choice("--vote-weighting", v,
                                    {{"plain", PENSEE_VOTE_PLAIN}, {"confidence", PENSEE_VOTE_CONFIDENCE}});
       }},
      {"vote-all", nullptr, "wait for all, even when the majority is certain", [&o](const char*) { o.all = 1; }},
      {"vote-at-once", "N", "replies under way at the same time (default: all)",
       [&o](const char* v) { o.at_once = static_cast<int32_t>(parse_integer("--vote-at-once", v, 0, INT32_MAX)); }},
  };
  flags.insert(flags.end(), rows.begin(), rows.end());
}

int run_vote(const SessionHandle& session, const pensee_prompt& prompt, const GenerationSettings& generation,
             const VoteSettings& settings, bool json) {
  const VoteHandle made = vote(session, prompt, generation.request(), settings.options);
  if (json) {
    write_output(as_json(made.get()));
  } else {
    if (const pensee_vote_answer* winner = pensee_vote_get_answer(made.get(), 0)) {
      const pensee_reply* reply = pensee_vote_get_reply(made.get(), static_cast<size_t>(winner->reply));
      std::string answer = pensee_reply_answer(reply);
      if (is_terminal(1)) answer = without_controls(answer);
      write_output(answer + "\n\n");
    }
    write_output(distribution(made.get()));
  }
  return Interrupt::requested() ? exit_interrupted : exit_ok;
}

}  // namespace cli
