#include "sampling/grammar_program.h"

#include <algorithm>
#include <span>
#include <unordered_map>

namespace pensee::grammar {
namespace {

constexpr size_t kStatesMax = 400'000;

// UTF-8 byte ranges of the code points first .. last, as sequences of one to four ranges.
template <class Emit>
void utf8_ranges(uint32_t first, uint32_t last, const Emit& emit) {
  for (const uint32_t end : {0x7Fu, 0x7FFu, 0xFFFFu}) {  // one length at a time
    if (first <= end && last > end) {
      utf8_ranges(first, end, emit);
      return utf8_ranges(end + 1, last, emit);
    }
  }
  const int length = last <= 0x7F ? 1 : last <= 0x7FF ? 2 : last <= 0xFFFF ? 3 : 4;
  for (int tail = 1; tail < length; ++tail) {  // and whole blocks of continuation bytes at a time
    const uint32_t mask = (1u << (6 * tail)) - 1;
    if ((first & ~mask) == (last & ~mask)) continue;
    if (first & mask) {
      utf8_ranges(first, first | mask, emit);
      return utf8_ranges((first | mask) + 1, last, emit);
    }
    if ((last & mask) != mask) {
      utf8_ranges(first, (last & ~mask) - 1, emit);
      return utf8_ranges(last & ~mask, last, emit);
    }
  }
  std::string low, high;
  unicode::append_utf8(first, low);
  unicode::append_utf8(last, high);
  emit(low, high);
}

}  // namespace

class Builder {
 public:
  explicit Builder(const Source& source) : source_(source) {}

  Result<Program> build() {
    for (size_t i = 0; i < source_.bodies.size(); ++i) {
      starts_.push_back(add_state());
      finals_.push_back(add_state());
    }
    for (size_t i = 0; i < source_.bodies.size(); ++i) {
      PENSEE_TRY(write(source_.bodies[i], starts_[i], finals_[i]));
    }
    PENSEE_TRY(check_left_recursion());
    keep_what_ends();
    if (!ends_[starts_[source_.root]]) {
      return Status(Code::bad_argument, "grammar: no finite text fits: its rules recurse without end");
    }
    return finish();
  }

 private:
  enum class Kind : uint8_t { bytes, jump, call };
  struct Edge {
    StateId from, to;
    Kind kind;
    uint8_t first, last;
    uint32_t rule;
  };

  StateId add_state() { return count_++; }
  void jump(StateId from, StateId to) { edges_.push_back({from, to, Kind::jump, 0, 0, 0}); }
  void take(StateId from, StateId to, uint8_t first, uint8_t last) {
    edges_.push_back({from, to, Kind::bytes, first, last, 0});
  }

  Status write(const Node& node, StateId from, StateId to);
  Status write_repeat(const Node& node, StateId from, StateId to);
  struct Sequence {
    std::string low, high;  // of a byte range each
  };
  void write_set(const Node& node, StateId from, StateId to);
  void write_sequences(std::span<const Sequence> all, size_t depth, StateId from, StateId to,
                       std::unordered_map<std::string, StateId>& known);
  std::vector<std::vector<uint32_t>> edges_by(StateId Edge::*end) const;
  std::vector<bool> reach_final(bool without_bytes) const;
  Status check_left_recursion() const;
  void keep_what_ends() { ends_ = reach_final(false); }
  std::vector<bool> pure_returns() const;
  Program finish();

  const Source& source_;
  std::vector<StateId> starts_, finals_;  // by rule
  std::vector<Edge> edges_;
  std::vector<bool> ends_;  // states from which the rule's end can be reached
  StateId count_ = 0;
};

Status Builder::write(const Node& node, StateId from, StateId to) {
  if (count_ > kStatesMax || edges_.size() > 4 * kStatesMax) {
    return Status::format(Code::bad_argument, "grammar: too large: more than {} states", kStatesMax);
  }
  switch (node.kind) {
    case Node::Kind::literal: {
      for (size_t i = 0; i < node.text.size(); ++i) {
        const StateId next = i + 1 == node.text.size() ? to : add_state();
        const auto byte = static_cast<uint8_t>(node.text[i]);
        take(from, next, byte, byte);
        from = next;
      }
      if (node.text.empty()) jump(from, to);
      break;
    }
    case Node::Kind::set:
      write_set(node, from, to);
      break;
    case Node::Kind::rule:
      edges_.push_back({from, to, Kind::call, 0, 0, node.rule});
      break;
    case Node::Kind::choice: {
      for (const Node& child : node.children) {
        // A way of its own for each, or a loop in one would open another's.
        const StateId begin = add_state();
        jump(from, begin);
        PENSEE_TRY(write(child, begin, to));
      }
      break;
    }
    case Node::Kind::sequence: {
      for (size_t i = 0; i < node.children.size(); ++i) {
        const StateId next = i + 1 == node.children.size() ? to : add_state();
        PENSEE_TRY(write(node.children[i], from, next));
        from = next;
      }
      if (node.children.empty()) jump(from, to);
      break;
    }
    case Node::Kind::repeat:
      return write_repeat(node, from, to);
  }
  return Status();
}

Status Builder::write_repeat(const Node& node, StateId from, StateId to) {
  const Node& child = node.children[0];
  for (uint32_t i = 0; i < node.min; ++i) {
    const StateId next = add_state();
    PENSEE_TRY(write(child, from, next));
    from = next;
  }
  if (node.max == kNoEnd) {
    const StateId loop = add_state(), again = add_state();
    jump(from, loop);
    PENSEE_TRY(write(child, loop, again));
    jump(again, loop);
    jump(loop, to);
    return Status();
  }
  for (uint32_t i = node.min; i < node.max; ++i) {
    const StateId begin = add_state(), next = add_state();
    jump(from, begin);
    jump(from, to);
    PENSEE_TRY(write(child, begin, next));
    from = next;
  }
  jump(from, to);
  return Status();
}

void Builder::write_set(const Node& node, StateId from, StateId to) {
  unicode::CodeSet text;
  text.add(0, 0xD7FF);
  text.add(0xE000, unicode::kLastCodePoint);
  text.intersect(node.set);
  std::vector<Sequence> all;
  for (const auto& [first, last] : text.ranges()) {
    utf8_ranges(first, last, [&](const std::string& low, const std::string& high) { all.push_back({low, high}); });
  }
  std::unordered_map<std::string, StateId> known;
  write_sequences(all, 0, from, to, known);
}

// Sequences that agree in their first `depth` ranges. Two that begin alike go on from one state, and two of which the
// same may follow go on in one, so the automaton of a set is the smallest that there is.
void Builder::write_sequences(std::span<const Sequence> all, size_t depth, StateId from, StateId to,
                              std::unordered_map<std::string, StateId>& known) {
  for (size_t i = 0; i < all.size();) {
    size_t end = i + 1;
    while (end < all.size() && all[end].low[depth] == all[i].low[depth]) ++end;
    const auto first = static_cast<uint8_t>(all[i].low[depth]), last = static_cast<uint8_t>(all[i].high[depth]);
    if (all[i].low.size() == depth + 1) {
      take(from, to, first, last);
    } else {
      std::string key;
      for (size_t j = i; j < end; ++j) key += all[j].low.substr(depth + 1) + all[j].high.substr(depth + 1);
      const auto [entry, fresh] = known.emplace(std::move(key), count_);
      const StateId next = entry->second;
      if (fresh) {
        add_state();
        write_sequences(all.subspan(i, end - i), depth + 1, next, to, known);
      }
      take(from, next, first, last);
    }
    i = end;
  }
}

// Numbers of the edges by one of their ends.
std::vector<std::vector<uint32_t>> Builder::edges_by(StateId Edge::*end) const {
  std::vector<std::vector<uint32_t>> by(count_);
  for (size_t i = 0; i < edges_.size(); ++i) by[edges_[i].*end].push_back(static_cast<uint32_t>(i));
  return by;
}

// The states from which the end of their rule can be reached, by finite texts or (without_bytes) by the empty one.
std::vector<bool> Builder::reach_final(bool without_bytes) const {
  const auto into = edges_by(&Edge::to);
  std::vector<bool> reached(count_, false), rule_ends(starts_.size(), false);
  std::vector<std::vector<StateId>> waiting(starts_.size());  // callers, by the rule that is yet to end
  std::vector<uint32_t> rule_of_start(count_, UINT32_MAX);
  for (size_t i = 0; i < starts_.size(); ++i) rule_of_start[starts_[i]] = static_cast<uint32_t>(i);
  std::vector<StateId> todo;
  const auto reach = [&](StateId s) {
    if (!reached[s]) reached[s] = true, todo.push_back(s);
  };
  for (const StateId s : finals_) reach(s);
  while (!todo.empty()) {
    const StateId s = todo.back();
    todo.pop_back();
    if (const uint32_t rule = rule_of_start[s]; rule != UINT32_MAX) {
      rule_ends[rule] = true;
      for (const StateId caller : waiting[rule]) reach(caller);
    }
    for (const uint32_t i : into[s]) {
      const Edge& e = edges_[i];
      if (e.kind == Kind::bytes && without_bytes) continue;
      if (e.kind == Kind::call && !rule_ends[e.rule])
        waiting[e.rule].push_back(e.from);
      else
        reach(e.from);
    }
  }
  return reached;
}

// A rule that can call itself before it has taken a byte would be called without end.
Status Builder::check_left_recursion() const {
  const auto out = edges_by(&Edge::from);
  const std::vector<bool> empty = reach_final(true);
  std::vector<std::vector<uint32_t>> first(starts_.size());  // rules that a rule may call first
  std::vector<uint32_t> seen(count_, UINT32_MAX);
  std::vector<StateId> todo;
  for (uint32_t rule = 0; rule < starts_.size(); ++rule) {
    todo = {starts_[rule]};
    while (!todo.empty()) {
      const StateId s = todo.back();
      todo.pop_back();
      if (seen[s] == rule) continue;
      seen[s] = rule;
      for (const uint32_t i : out[s]) {
        const Edge& e = edges_[i];
        if (e.kind == Kind::call) first[rule].push_back(e.rule);
        if (e.kind == Kind::jump || (e.kind == Kind::call && empty[starts_[e.rule]])) todo.push_back(e.to);
      }
    }
  }
  enum : uint8_t { fresh, open, done };
  std::vector<uint8_t> mark(starts_.size(), fresh);
  std::vector<std::pair<uint32_t, size_t>> path;
  for (uint32_t begin = 0; begin < starts_.size(); ++begin) {
    if (mark[begin] != fresh) continue;
    path = {{begin, 0}};
    mark[begin] = open;
    while (!path.empty()) {
      auto& [rule, next] = path.back();
      if (next == first[rule].size()) {
        mark[rule] = done;
        path.pop_back();
        continue;
      }
      const uint32_t called = first[rule][next++];
      if (mark[called] == open) {
        return Status::format(Code::bad_argument,
                              "grammar: rule '{}' can begin with itself (left recursion), which is "
                              "not supported; write it as a repetition",
                              source_.names[called]);
      }
      if (mark[called] == fresh) mark[called] = open, path.emplace_back(called, 0);
    }
  }
  return Status();
}

// States behind which nothing can happen but the end of their rule.
std::vector<bool> Builder::pure_returns() const {
  const auto into = edges_by(&Edge::to);
  std::vector<uint32_t> others(count_, 0);  // edges that do not lead there
  for (const Edge& e : edges_) ++others[e.from];
  std::vector<bool> pure(count_, false);
  std::vector<StateId> todo;
  for (const StateId s : finals_) {
    if (others[s] == 0) pure[s] = true, todo.push_back(s);
  }
  while (!todo.empty()) {
    const StateId s = todo.back();
    todo.pop_back();
    for (const uint32_t i : into[s]) {
      const Edge& e = edges_[i];
      if (e.kind == Kind::jump && --others[e.from] == 0 && !pure[e.from]) pure[e.from] = true, todo.push_back(e.from);
    }
  }
  return pure;
}

Program Builder::finish() {
  std::erase_if(edges_, [&](const Edge& e) {
    return !ends_[e.from] || !ends_[e.to] || (e.kind == Kind::call && !ends_[starts_[e.rule]]);
  });
  Program p;
  std::array<bool, 257> border = {};  // a new kind of byte begins here
  for (const Edge& e : edges_) {
    if (e.kind == Kind::bytes) border[e.first] = border[size_t{e.last} + 1] = true;
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    p.kinds_ += border[byte] && byte > 0;
    p.kind_of_[byte] = static_cast<uint8_t>(p.kinds_);
  }
  ++p.kinds_;
  const std::vector<bool> pure = pure_returns();
  std::vector<StateId> onward(count_);  // where a state's only edge, a jump, leads in the end
  for (StateId s = 0; s < count_; ++s) onward[s] = s;
  std::vector<uint32_t> degree(count_, 0);
  for (const Edge& e : edges_) ++degree[e.from];
  for (const Edge& e : edges_) {
    if (e.kind == Kind::jump && degree[e.from] == 1 && e.to != e.from) onward[e.from] = e.to;
  }
  const auto lead = [&](StateId s) {
    for (int i = 0; i < 64 && onward[s] != s; ++i) s = onward[s];
    return s;
  };
  std::stable_sort(edges_.begin(), edges_.end(), [](const Edge& a, const Edge& b) { return a.from < b.from; });
  p.states_.resize(size_t{count_} + 1);
  size_t at = 0;
  for (StateId s = 0; s <= count_; ++s) {
    p.states_[s].bytes = static_cast<uint32_t>(p.bytes_.size());
    p.states_[s].jumps = static_cast<uint32_t>(p.jumps_.size());
    p.states_[s].calls = static_cast<uint32_t>(p.calls_.size());
    for (; at < edges_.size() && edges_[at].from == s; ++at) {
      const Edge& e = edges_[at];
      if (e.kind == Kind::bytes) p.bytes_.push_back({p.kind_of_[e.first], p.kind_of_[e.last], lead(e.to)});
      if (e.kind == Kind::jump) p.jumps_.push_back(lead(e.to));
      if (e.kind == Kind::call) p.calls_.push_back({lead(starts_[e.rule]), lead(e.to), pure[e.to]});
    }
  }
  for (const StateId s : finals_) p.states_[s].is_final = true;
  p.start_ = lead(starts_[source_.root]);
  return p;
}

Result<Program> Program::make(const Source& source) { return Builder(source).build(); }

}  // namespace pensee::grammar
