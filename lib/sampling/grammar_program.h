// A grammar as a machine can run it: one automaton over bytes for each rule, whose edges take bytes, take nothing, or
// call another rule and go on behind it. Rules that no finite text fits are cut out, so whatever the automata allow
// can be brought to an end.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "sampling/grammar_parser.h"

namespace pensee::grammar {

using StateId = uint32_t;

class Program {
 public:
  struct Bytes {
    uint8_t first, last;  // kinds of bytes (kind_of), both inside
    StateId to;
  };
  struct Call {
    StateId start;   // of the rule
    StateId behind;  // where to go on
    bool tail;       // behind it the caller's own rule ends: no return is needed
  };

  // A grammar that recurses to the left, that no finite text fits, or that is too large is an error.
  static Result<Program> make(const Source& source);

  StateId start() const { return start_; }
  size_t kinds() const { return kinds_; }
  uint8_t kind_of(uint8_t byte) const { return kind_of_[byte]; }

  template <class T>
  struct Slice {
    const T* first;
    const T* last;
    const T* begin() const { return first; }
    const T* end() const { return last; }
    bool empty() const { return first == last; }
  };
  Slice<Bytes> bytes(StateId s) const { return slice(bytes_, states_[s].bytes, states_[s + 1].bytes); }
  Slice<StateId> jumps(StateId s) const { return slice(jumps_, states_[s].jumps, states_[s + 1].jumps); }
  Slice<Call> calls(StateId s) const { return slice(calls_, states_[s].calls, states_[s + 1].calls); }
  bool is_final(StateId s) const { return states_[s].is_final; }
  size_t size() const { return states_.size() - 1; }

 private:
  friend class Builder;
  struct State {
    uint32_t bytes = 0, jumps = 0, calls = 0;  // where its edges begin; they end where the next state's do
    bool is_final = false;
  };
  template <class T>
  static Slice<T> slice(const std::vector<T>& all, uint32_t from, uint32_t to) {
    return {all.data() + from, all.data() + to};
  }

  std::vector<State> states_;  // and one behind the last
  std::vector<Bytes> bytes_;
  std::vector<StateId> jumps_;
  std::vector<Call> calls_;
  StateId start_ = 0;
  size_t kinds_ = 0;
  std::array<uint8_t, 256> kind_of_ = {};
};

}  // namespace pensee::grammar
