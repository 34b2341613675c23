// Votes at the border.
#include "api/api.h"

struct pensee_vote {
  std::vector<std::unique_ptr<pensee_reply>> replies;
  std::vector<pensee::CountedAnswer> tallied;
  std::vector<pensee_vote_answer> answers;
};

using namespace pensee;
using namespace pensee::api;

extern "C" {

pensee_status pensee_session_vote(pensee_session* session, const pensee_prompt* prompt, const pensee_options* options,
                                  const pensee_vote_options* vote_options, pensee_vote** out, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!session) return null_argument("session");
    if (!out) return null_argument("vote");
    pensee_vote_options raw = PENSEE_VOTE_OPTIONS_INIT;
    PENSEE_TRY(read_struct(vote_options, "pensee_vote_options", raw));
    if (raw.n < 0 || raw.n > 1024) return Status::format(Code::bad_argument, "n is {}; 0 to 1024", raw.n);
    if (raw.at_once < 0) return Status::format(Code::bad_argument, "at_once is {}; 0 or more", raw.at_once);
    if (raw.weighting < 0 || raw.weighting > PENSEE_VOTE_CONFIDENCE) {
      return Status::format(Code::bad_argument, "weighting is {}; a PENSEE_VOTE_ value", raw.weighting);
    }
    const Engine& engine = *session->engine;
    Asked asked;
    PENSEE_TRY(read_question(engine, prompt, options, asked));
    VoteOptions wanted;
    if (raw.n > 0) wanted.n = raw.n;
    wanted.by_confidence = raw.weighting == PENSEE_VOTE_CONFIDENCE;
    wanted.all = raw.all != 0;
    wanted.at_once = raw.at_once;
    asked.options.n = wanted.n;
    PENSEE_ASSIGN(auto stream,
                  Stream::open(engine, session->state, std::move(asked.ids), std::move(asked.options), wanted.at_once));
    set_current(*session, *stream);
    PENSEE_ASSIGN(CountedVotes counted, count_votes(*stream, wanted));
    auto made = std::make_unique<pensee_vote>();
    for (Reply& reply : counted.replies) made->replies.push_back(make_reply(engine, std::move(reply)));
    made->tallied = std::move(counted.answers);
    for (const CountedAnswer& a : made->tallied) {
      made->answers.push_back({a.answer.c_str(), a.votes, static_cast<float>(a.share), a.first});
    }
    *out = made.release();
    return Status();
  });
}

size_t pensee_vote_num_answers(const pensee_vote* vote) { return vote ? vote->answers.size() : 0; }
const pensee_vote_answer* pensee_vote_get_answer(const pensee_vote* vote, size_t index) {
  return vote && index < vote->answers.size() ? &vote->answers[index] : nullptr;
}
size_t pensee_vote_num_replies(const pensee_vote* vote) { return vote ? vote->replies.size() : 0; }
const pensee_reply* pensee_vote_get_reply(const pensee_vote* vote, size_t index) {
  return vote && index < vote->replies.size() ? vote->replies[index].get() : nullptr;
}
void pensee_vote_free(pensee_vote* vote) { delete vote; }

}  // extern "C"
