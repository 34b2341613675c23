#include "engine/speculation.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "engine/engine.h"
#include "engine/scheduler.h"

namespace pensee {

void PassCost::observe(int64_t rows, double seconds) {
  const auto r = static_cast<double>(rows);
  plain_ += rows == 1;
  // The first pass of a kind meets cold caches and sleeping threads, and any may lose its core.
  if (weight_ > 0) seconds = std::min(seconds, 2 * this->seconds(rows));
  for (double* sum : {&weight_, &rows_, &rows_squared_, &seconds_, &rows_seconds_}) *sum *= kForget;
  weight_ += 1;
  rows_ += r;
  rows_squared_ += r * r;
  seconds_ += seconds;
  rows_seconds_ += r * seconds;
  if (rows < kFew) {
    double& few = few_[rows];
    few = few == 0 ? seconds : few + (seconds < few ? 0.5 : 0.1) * (seconds - few);  // what disturbs only adds
  }
  if (least_rows_ == 0 || r < least_rows_) {
    least_rows_ = r;
    least_seconds_ = seconds;
  } else if (r == least_rows_) {
    least_seconds_ += 0.1 * (seconds - least_seconds_);
  }
}

double PassCost::seconds(int64_t rows) const { return rows < kFew && few_[rows] > 0 ? few_[rows] : on_line(rows); }

bool PassCost::curious() {
  if (trials_left_ == 0) {
    if (plain_ < patience_) return false;
    trials_left_ = kTrials;
    patience_ = std::min(2 * patience_, kPatienceMax);
  }
  --trials_left_;
  plain_ = 0;
  return true;
}

// Two made-up passes, as heavy as one real pass together, hold the line where all real ones had the same rows.
double PassCost::on_line(int64_t rows) const {
  if (weight_ == 0) return 0;
  constexpr double far = 8;
  const double one = least_seconds_ / (1 + kGuessedSlope * (least_rows_ - 1));
  const double guess_rows[] = {least_rows_, least_rows_ + far};
  double w = weight_, x = rows_, xx = rows_squared_, y = seconds_, xy = rows_seconds_;
  for (const double r : guess_rows) {
    const double guess = least_seconds_ + one * kGuessedSlope * (r - least_rows_);
    w += 0.5;
    x += 0.5 * r;
    xx += 0.5 * r * r;
    y += 0.5 * guess;
    xy += 0.5 * r * guess;
  }
  const double slope = std::max(0.0, (w * xy - x * y) / (w * xx - x * x));
  return (y - slope * x) / w + slope * static_cast<double>(rows);
}

void Pace::observe(int64_t drafted, int64_t accepted) {
  constexpr double forget = 0.9;
  for (int64_t i = 0; i < std::min(drafted, accepted + 1); ++i) {
    auto& place = places_[std::min(i, kPlaces - 1)];
    place.accepted = place.accepted * forget + (i < accepted ? 1 : 0);
    place.tried = place.tried * forget + 1;
  }
}

void Pace::rest() {
  constexpr double fade = 0.97;
  for (auto& place : places_) {
    place.accepted *= fade;
    place.tried *= fade;
  }
}

Pace Pace::of_another() const {
  constexpr double known = 2;
  Pace other = *this;
  for (auto& place : other.places_) {
    const double kept = std::min(1.0, known / std::max(place.tried, known));
    place.accepted *= kept;
    place.tried *= kept;
  }
  return other;
}

int32_t Pace::depth(int32_t most, int64_t rows, PassCost& cost, double seconds_a_guess) const {
  if (most <= 0 || cost.seconds(rows) <= 0) return 0;  // a plain pass comes first: it is what guesses are held against
  const double others = static_cast<double>(rows) - 1;
  int32_t best = 0;
  double best_rate = (others + 1) / cost.seconds(rows);
  double expected = 1, chance = 1, p = kPrior;
  for (int32_t k = 1; k <= most; ++k) {
    const auto& place = places_[std::min<int64_t>(k, kPlaces) - 1];
    p = std::min(0.995, (place.accepted + p) / (place.tried + 1));  // of a place not tried yet: as before it
    chance *= p;
    expected += chance;
    const double rate = (others + expected) / (cost.seconds(rows + k) + k * seconds_a_guess);
    if (rate > best_rate) {
      best_rate = rate;
      best = k;
    }
  }
  if (best > 0) cost.pays();
  // Among many sequences, their coming and going tells what rows cost.
  return best == 0 && rows == 1 && cost.curious() ? 1 : best;
}

namespace {

uint64_t gram_hash(const int32_t* tokens, size_t count) {
  uint64_t h = 0x9e3779b97f4a7c15u;
  for (size_t i = 0; i < count; ++i) h = (h ^ static_cast<uint32_t>(tokens[i])) * 0xff51afd7ed558ccdu, h ^= h >> 29;
  return h;
}

}  // namespace

void NgramDrafter::propose(std::span<const int32_t> history, int32_t most, std::vector<int32_t>& out) {
  // Grams that end before the last token: the last gram itself must find an earlier one.
  for (size_t end = std::max(indexed_, kGram); end + 1 <= history.size(); ++end) {
    after_[gram_hash(&history[end - kGram], kGram)] = static_cast<uint32_t>(end);
  }
  indexed_ = std::max(indexed_, history.size());
  if (history.size() <= kGram || most <= 0) return;
  const int32_t* last = &history[history.size() - kGram];
  const auto found = after_.find(gram_hash(last, kGram));
  if (found == after_.end() || !std::equal(last, last + kGram, &history[found->second - kGram])) return;
  // A loop: when the guess reaches the end of the history, it goes on with what it has guessed itself.
  const size_t begin = found->second, length = history.size() - begin;
  for (int32_t i = 0; i < most; ++i) out.push_back(history[begin + static_cast<size_t>(i) % length]);
}

ModelDrafter::ModelDrafter(std::shared_ptr<const Engine> engine)
    : engine_(std::move(engine)), cache_(engine_->content.model->cache_shape, engine_->budget) {}

ModelDrafter::~ModelDrafter() = default;

bool ModelDrafter::feed(std::span<const int32_t> ids) {
  const auto vocab = engine_->content.model->config.vocab_size;
  logits_.resize(static_cast<size_t>(vocab));
  while (!ids.empty()) {
    const auto rows = static_cast<int32_t>(std::min<size_t>(ids.size(), kBatchRows));
    const auto first = static_cast<int32_t>(cache_.length());
    if (first + rows > engine_->context_max || !cache_.reserve(first + rows).ok()) return false;
    std::vector<int32_t> positions(static_cast<size_t>(rows));
    std::iota(positions.begin(), positions.end(), first);
    const Run run = {&cache_, 0, rows, first};
    const int32_t last = rows - 1;
    Batch batch;
    batch.runs = std::span(&run, 1);
    batch.token_ids = ids.first(static_cast<size_t>(rows));
    batch.positions = positions;
    if (static_cast<size_t>(rows) == ids.size()) batch.rows_with_logits = std::span(&last, 1);
    const MutableView logits(logits_.data(), static_cast<int64_t>(batch.rows_with_logits.size()), vocab);
    if (!engine_->scheduler().run_pass(batch, first + rows, logits).ok()) return false;
    tokens_.insert(tokens_.end(), ids.begin(), ids.begin() + rows);
    cache_.set_length(first + rows);
    ids = ids.subspan(static_cast<size_t>(rows));
  }
  return true;
}

void ModelDrafter::propose(std::span<const int32_t> history, int32_t most, std::vector<int32_t>& out) {
  if (most <= 0 || history.empty()) return;
  const auto same = std::mismatch(history.begin(), history.end(), tokens_.begin(), tokens_.end()).first;
  const auto kept = std::min(static_cast<size_t>(same - history.begin()), history.size() - 1);
  tokens_.resize(kept);
  cache_.set_length(static_cast<int64_t>(kept));
  if (!feed(history.subspan(kept))) return;
  const auto begin = std::chrono::steady_clock::now();
  for (int32_t i = 0; i < most; ++i) {
    const auto best =
        static_cast<int32_t>(engine_->kernels.argmax(logits_.data(), static_cast<int64_t>(logits_.size())));
    out.push_back(best);
    if (i + 1 < most && !feed(std::span(&best, 1))) break;
  }
  if (most > 1) {
    const double each = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / (most - 1);
    seconds_ = seconds_ == 0 ? each : seconds_ + 0.2 * (each - seconds_);
  }
}

}  // namespace pensee
