#include "engine/stream.h"

#include <algorithm>

#include "engine/scheduler.h"

namespace pensee {

Result<std::unique_ptr<Stream>> Stream::open(const Engine& engine, std::shared_ptr<SessionState> session,
                                             std::vector<int32_t> prompt, GenerateOptions options, int32_t at_once) {
  Claim claim(*session);
  PENSEE_TRY(claim.status());
  options = settle_options(engine, std::move(options));
  std::unique_ptr<Stream> stream(new Stream(engine));
  stream->queue_ = std::make_shared<EventQueue>(options.n, engine.scheduler());
  std::vector<std::shared_ptr<Request>> requests;
  for (int32_t i = 0; i < options.n; ++i) {
    auto state = i == 0 ? session : std::make_shared<SessionState>(engine.content.model->cache_shape, engine.budget);
    GenerateOptions own = options;
    own.seed = sample_seed(options.seed, i);
    PENSEE_ASSIGN(auto request, Request::create(engine, std::move(state), prompt, std::move(own), stream->queue_, i));
    if (i > 0) request->leader = requests.front();
    request->at_once = at_once;
    requests.push_back(std::move(request));
  }
  PENSEE_TRY(engine.scheduler().submit(requests));
  stream->requests_ = std::move(requests);
  claim.pass_on();
  return stream;
}

Stream::~Stream() {
  if (requests_.empty()) return;
  cancel();
  queue_->wait_until_done();  // the scheduler must not outlive what it computes with
}

void Stream::cancel() {
  for (const auto& request : requests_) request->cancelled = true;
  engine_.scheduler().wake();
}

void Stream::end_thought() {
  for (const auto& request : requests_) request->end_thought = true;
}

namespace {

std::vector<CountedAnswer> distribution(const Vote& vote, const std::vector<int32_t>& order) {
  std::vector<Candidate> candidates = vote.candidates();
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.weight > b.weight || (a.weight == b.weight && a.first < b.first);
  });
  double total = 0;
  for (const Candidate& c : candidates) total += c.weight;
  std::vector<CountedAnswer> answers;
  for (const Candidate& c : candidates) {
    answers.push_back({c.answer, static_cast<int32_t>(c.votes), total > 0 ? c.weight / total : 0, order[c.first]});
  }
  return answers;
}

}  // namespace

Result<CountedVotes> count_votes(Stream& stream, const VoteOptions& options) {
  CountedVotes result;
  result.replies.resize(static_cast<size_t>(options.n));
  Vote vote(static_cast<size_t>(options.n));
  std::vector<int32_t> order;  // samples as they ended
  Status failure;
  while (order.size() < result.replies.size()) {
    Event event;
    bool got = false;
    PENSEE_TRY(stream.next(-1, &event, &got));
    Reply& reply = result.replies[static_cast<size_t>(event.sample)];
    reply.add(event);
    if (event.kind != EventKind::end) continue;
    if (event.finish == Finish::error && failure.ok()) failure = event.status;
    const bool votes = event.finish != Finish::error && event.finish != Finish::cancelled;
    order.push_back(event.sample);
    vote.add(votes ? std::string_view(reply.answer) : "", options.by_confidence ? reply.confidence() : 1.0);
    if (!options.all && vote.certain()) stream.cancel();
  }
  result.answers = distribution(vote, order);
  if (result.answers.empty() && !failure.ok()) return failure;
  return result;
}

}  // namespace pensee
