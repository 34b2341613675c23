#include "engine/scheduler.h"

#include <algorithm>
#include <new>
#include <system_error>

namespace pensee {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// So short that it lies inside the string: telling that memory is out must not need any.
Status no_memory() { return Status(Code::out_of_memory, "out of memory"); }

}  // namespace

void FairLock::lock() {
  std::unique_lock lock(mutex_);
  const uint64_t ticket = next_ticket_++;
  turn_.wait(lock, [&] { return serving_ == ticket; });
}

void FairLock::unlock() {
  {
    std::lock_guard lock(mutex_);
    ++serving_;
  }
  turn_.notify_all();
}

Request::Request(const Engine& engine, std::shared_ptr<SessionState> state, std::vector<int32_t> prompt,
                 GenerateOptions options)
    : session(std::move(state)), generation(engine, settle_options(engine, std::move(options)), prompt) {
  asked = Clock::now();
  // The last token of the prompt is computed again even where all of it is cached: its logits are needed.
  const auto same = std::mismatch(prompt.begin(), prompt.end(), session->tokens.begin(), session->tokens.end());
  const auto kept = std::min(static_cast<size_t>(same.first - prompt.begin()), prompt.size() - 1);
  session->tokens.resize(kept);
  session->cache.set_length(static_cast<int64_t>(kept));
  usage.prompt_tokens = static_cast<int64_t>(prompt.size());
  usage.cached_tokens = static_cast<int64_t>(kept);
  usage.seed = generation.options().seed;
  usage.parameters_active = engine.content.model->facts.parameters_active;
  to_feed.assign(prompt.begin() + static_cast<std::ptrdiff_t>(kept), prompt.end());
}

Status Request::next(int64_t timeout_ms, Event* event, bool* got) {
  std::unique_lock lock(mutex_);
  *got = false;
  if (taken_) return Status();
  const auto ready = [&] { return !events_.empty() || done_; };
  if (timeout_ms < 0) {
    changed_.wait(lock, ready);
  } else if (!changed_.wait_for(lock, std::chrono::milliseconds(std::min<int64_t>(timeout_ms, 1000000000)), ready)) {
    return Status::format(Code::timeout, "no event came within {} ms; the stream goes on", timeout_ms);
  }
  *got = true;
  if (events_.empty()) {
    *event = std::move(end_);
    taken_ = true;
    return Status();
  }
  *event = std::move(events_.front());
  events_.pop_front();
  const bool wake = starved_ && events_.size() < kQueueEvents / 2;
  if (wake) starved_ = false;
  lock.unlock();
  if (wake) scheduler_->wake();
  return Status();
}

void Request::wait_until_done() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done_; });
}

void Request::push(std::vector<Event> events) {
  std::lock_guard lock(mutex_);
  std::move(events.begin(), events.end(), std::back_inserter(events_));
  changed_.notify_all();
}

void Request::close(std::vector<Event> events, Event end) noexcept {
  std::lock_guard lock(mutex_);
  try {
    std::move(events.begin(), events.end(), std::back_inserter(events_));
  } catch (const std::bad_alloc&) {
    end.finish = Finish::error;
    end.status = no_memory();
  }
  end_ = std::move(end);
  done_ = true;
  changed_.notify_all();
}

bool Request::full() {
  std::lock_guard lock(mutex_);
  if (events_.size() >= kQueueEvents) starved_ = true;
  return starved_;
}

Scheduler::~Scheduler() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status Scheduler::submit(std::shared_ptr<Request> request) {
  std::lock_guard lock(mutex_);
  request->scheduler_ = this;
  if (!started_) {
    try {  // the standard library's only way to say that the system refused a thread
      thread_ = std::thread([this] { loop(); });
    } catch (const std::system_error&) {
      return Status(Code::out_of_memory, "the system refused to start the scheduler's thread");
    }
    started_ = true;
  }
  incoming_.push_back(std::move(request));
  wake_.notify_all();
  return Status();
}

void Scheduler::wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_all();
}

bool Scheduler::anything_to_do() {
  return std::any_of(active_.begin(), active_.end(), [](const auto& r) { return r->cancelled || !r->full(); });
}

void Scheduler::loop() {
  while (true) {
    {
      const bool idle = !anything_to_do();
      std::unique_lock lock(mutex_);
      if (idle) wake_.wait(lock, [&] { return stop_ || woken_ || !incoming_.empty(); });
      woken_ = false;
      if (stop_) return;
      active_.splice(active_.end(), incoming_);
    }
    try {  // the standard library's only way to say that memory is out
      step();
    } catch (const std::bad_alloc&) {
      for (const auto& request : active_) finish(*request, Finish::error, no_memory());
    }
    remove_finished();
  }
}

void Scheduler::step() {
  for (const auto& request : active_) {
    if (request->cancelled) finish(*request, Finish::cancelled, Status());
  }
  remove_finished();
  const std::vector<Part> parts = choose_parts();
  if (!parts.empty()) run_parts(parts);
}

// Those that decode come first, one row each, but for a quarter that waiting prompts can count on; these share what is
// left. Each time another one is first.
std::vector<Scheduler::Part> Scheduler::choose_parts() {
  const auto one_left = [](const Request& r) { return r.to_feed.size() - r.fed == 1; };
  const bool prompts_wait =
      std::any_of(active_.begin(), active_.end(), [&](const auto& r) { return !r->done_ && !one_left(*r); });
  std::vector<Part> parts;
  int64_t rows_left = kBatchRows;
  for (const bool decoding : {true, false}) {
    const int64_t kept = decoding && prompts_wait ? kBatchRows / 4 : 0;
    for (const auto& active : active_) {
      Request& request = *active;
      if (one_left(request) != decoding || rows_left <= kept || request.done_ || request.full()) continue;
      add_part(request, rows_left, parts);
    }
  }
  if (!active_.empty()) active_.splice(active_.end(), active_, active_.begin());
  return parts;
}

void Scheduler::add_part(Request& request, int64_t& rows_left, std::vector<Part>& parts) {
  CacheSequence& cache = request.session->cache;
  const size_t left = request.to_feed.size() - request.fed;
  const auto rows = static_cast<int32_t>(std::min<int64_t>(rows_left, static_cast<int64_t>(left)));
  const Status reserved = cache.reserve(cache.length() + rows);
  if (!reserved.ok()) {
    finish(request, Finish::error, reserved);
    return;
  }
  if (request.in_prompt && request.fed == 0) request.prefill_begin = Clock::now();
  parts.push_back({&request, rows, static_cast<size_t>(rows) == left});
  rows_left -= rows;
}

Status Scheduler::reserve_scratch(int64_t rows, int64_t logits_rows, int64_t context) {
  constexpr int64_t step = 4096;  // of context: grow seldom
  const Model& model = *engine_.content.model;
  const int64_t rounded = (context + step - 1) / step * step;
  const uint64_t held = scratch_.size();
  const uint64_t bytes = decode_scratch_bytes(model, rows, logits_rows, rounded, engine_.pool->threads());
  if (bytes <= held) return Status();
  if (!engine_.budget.take(bytes - held)) {
    return Status::format(Code::out_of_memory,
                          "computing needs {} bytes of scratch space but memory_budget allows {} in all, {} of them "
                          "taken",
                          bytes, engine_.budget.limit(), engine_.budget.used());
  }
  Status reserved = scratch_.reserve(bytes);
  if (!reserved.ok()) engine_.budget.give(bytes - held);
  return reserved;
}

Status Scheduler::run_pass(const Batch& batch, int64_t context, MutableView logits) {
  std::lock_guard lock(compute_lock_);
  PENSEE_TRY(reserve_scratch(batch.rows(), logits.rows, context));
  Compute compute = {*engine_.pool, scratch_, engine_.kernels};
  if (decode(*engine_.content.model, batch, compute, logits)) return Status();
  return Status(Code::cancelled, "cancelled");
}

void Scheduler::run_parts(const std::vector<Part>& parts) {
  std::vector<Run> runs;
  std::vector<int32_t> ids, positions, wanted;
  int64_t context = 0;
  for (const Part& part : parts) {
    CacheSequence& cache = part.request->session->cache;
    const auto first = static_cast<int32_t>(cache.length());
    runs.push_back({&cache, static_cast<int32_t>(ids.size()), part.rows, first});
    for (int32_t i = 0; i < part.rows; ++i) {
      ids.push_back(part.request->to_feed[part.request->fed + static_cast<size_t>(i)]);
      positions.push_back(first + i);
    }
    if (part.last) wanted.push_back(static_cast<int32_t>(ids.size()) - 1);
    context = std::max<int64_t>(context, first + part.rows);
  }
  Batch batch;
  batch.runs = runs;
  batch.token_ids = ids;
  batch.positions = positions;
  batch.rows_with_logits = wanted;
  batch.cancelled = [](void* user) {
    const auto& all = *static_cast<const std::vector<Part>*>(user);
    return std::all_of(all.begin(), all.end(), [](const Part& p) { return p.request->cancelled.load(); });
  };
  batch.cancelled_user = const_cast<std::vector<Part>*>(&parts);
  const int64_t vocab = engine_.content.model->config.vocab_size;
  logits_.resize(wanted.size() * static_cast<size_t>(vocab));
  const Status status =
      run_pass(batch, context, MutableView(logits_.data(), static_cast<int64_t>(wanted.size()), vocab));
  if (status.code() == Code::cancelled) return;  // the next step finishes them
  size_t row = 0;
  for (const Part& part : parts) {
    if (!status.ok()) {
      finish(*part.request, Finish::error, status);
      continue;
    }
    std::span<const float> logits;
    if (part.last) logits = std::span(logits_).subspan(static_cast<size_t>(vocab) * row++, static_cast<size_t>(vocab));
    advance(part, logits);
  }
}

// The rows of `part` are in the cache now; with logits, its next token is chosen.
void Scheduler::advance(const Part& part, std::span<const float> logits) {
  Request& r = *part.request;
  SessionState& session = *r.session;
  const auto begin = r.to_feed.begin() + static_cast<std::ptrdiff_t>(r.fed);
  session.tokens.insert(session.tokens.end(), begin, begin + part.rows);
  session.cache.set_length(session.cache.length() + part.rows);
  r.fed += static_cast<size_t>(part.rows);
  const ModelFacts& facts = engine_.content.model->facts;
  r.usage.flops += 2.0 * static_cast<double>(facts.parameters_active) * part.rows;
  r.usage.weight_bytes_read += static_cast<double>(part.rows > 1 ? facts.weight_bytes : facts.active_weight_bytes);
  if (logits.empty()) return;

  if (r.in_prompt) {
    r.in_prompt = false;
    r.first_token = Clock::now();
  }
  std::vector<Event> events;
  const int64_t position = session.cache.length();
  const int32_t token = r.generation.step(logits, position, r.end_thought, events);
  r.push(std::move(events));
  if (token < 0) return finish(r, r.generation.finish(), Status());
  if (position + 1 >= engine_.context_max) return finish(r, Finish::length, Status());
  r.to_feed.assign(1, token);
  r.fed = 0;
}

void Scheduler::finish(Request& r, Finish reason, Status status) noexcept {
  if (r.done_) return;
  std::vector<Event> events;
  try {
    r.generation.flush(events);
  } catch (const std::bad_alloc&) {
    reason = Finish::error;
    status = no_memory();
  }
  Event end;
  end.kind = EventKind::end;
  end.finish = reason;
  end.status = std::move(status);
  Usage& u = r.usage;
  const Clock::time_point now = Clock::now();
  u.thought_tokens = r.generation.thought_tokens();
  u.answer_tokens = r.generation.answer_tokens();
  u.seconds = seconds(r.asked, now);
  if (!r.in_prompt) {
    u.seconds_to_first_token = seconds(r.asked, r.first_token);
    const double prefill = seconds(r.prefill_begin, r.first_token);
    const double decoding = seconds(r.first_token, now);
    const auto generated = static_cast<double>(u.thought_tokens + u.answer_tokens);
    if (prefill > 0) u.prompt_tokens_per_second = static_cast<double>(u.prompt_tokens - u.cached_tokens) / prefill;
    if (decoding > 0 && generated > 1) u.tokens_per_second = (generated - 1) / decoding;
  }
  end.usage = u;
  r.session->busy = false;
  r.close(std::move(events), std::move(end));
}

void Scheduler::remove_finished() {
  std::erase_if(active_, [](const auto& request) { return request->done_; });
}

}  // namespace pensee
