// The matcher. Frames on an explicit stack remember untried ways; a repeat leaves one frame however long it ran and
// gives back one code point each time it is asked. Look-aheads and atomic groups run their body on the stack above a
// base and drop what it left. Every instruction and every code point read counts as a step.
#include "text/regex.h"

#include <algorithm>
#include <cstddef>

namespace pensee {
namespace {

enum FrameKind : uint32_t { kOtherWay, kGiveBack, kLazy, kRestoreMark };

constexpr uint64_t kStepsFree = 1000000;  // a search may take this many, and so many more for a byte of text:
constexpr uint64_t kStepsPerByte = 64;
constexpr size_t kFramesMax = 1000000;

}  // namespace

Result<bool> Regex::find(std::string_view text, size_t from, Workspace& workspace, Match& match) const {
  workspace.marks.assign(registers_, SIZE_MAX);
  const uint64_t granted = std::min(workspace.budget, kStepsFree + kStepsPerByte * (text.size() - from));
  workspace.steps = granted;
  const First& first = firsts_[0];
  for (size_t begin = from;;) {
    size_t at = begin;
    workspace.stack.clear();
    const Outcome outcome = first.allows(text, begin) ? run(text, 0, at, workspace) : Outcome::failed;
    if (outcome == Outcome::too_many_steps) {
      return Status::format(Code::bad_argument, "{} takes too many steps on the text from byte {} of a piece of {}",
                            name_, from, text.size());
    }
    const bool matched = outcome == Outcome::matched;
    if (matched || begin >= text.size()) {
      workspace.budget -= granted - workspace.steps;
      match = {begin, at};
      return matched;
    }
    unicode::next(text, begin);
  }
}

// Consumes as much as the mode wants and leaves a frame when another length remains to be tried.
bool Regex::repeat(const Instruction& i, std::string_view text, uint32_t pc, size_t& at, Workspace& workspace) const {
  const unicode::CodeSet& set = sets_[i.x];
  const uint32_t wanted = i.mode == Mode::lazy ? i.min : i.max;
  const uint64_t low = set.ascii()[0], high = set.ascii()[1];
  uint32_t count = 0;
  size_t least = i.min == 0 ? at : SIZE_MAX;
  const size_t begin = at;
  size_t end = at;
  while (count < wanted && end < text.size()) {
    const auto byte = static_cast<unsigned char>(text[end]);
    if (byte < 128) {
      if (!((byte < 64 ? low : high) >> (byte & 63) & 1)) break;
      ++end;
    } else {
      size_t behind = end;
      if (!set.contains(unicode::next(text, behind))) break;
      end = behind;
    }
    if (++count == i.min) least = end;
  }
  workspace.steps -= std::min<uint64_t>(workspace.steps, end - begin);
  if (count < i.min) return false;
  at = end;
  if (i.mode == Mode::greedy && end > least) {
    workspace.stack.push_back({kGiveBack, pc + 1, end, least});
  } else if (i.mode == Mode::lazy && count < i.max) {
    workspace.stack.push_back({kLazy, pc, end, count});
  }
  return true;
}

// Takes the youngest untried way above `base`; false when there is none.
bool Regex::pop(std::string_view text, size_t base, uint32_t& pc, size_t& at, Workspace& workspace) const {
  std::vector<Frame>& stack = workspace.stack;
  while (stack.size() > base) {
    Frame& frame = stack.back();
    if (frame.kind == kRestoreMark) {
      workspace.marks[frame.pc] = frame.at;
      stack.pop_back();
      continue;
    }
    pc = frame.pc;
    at = frame.at;
    if (frame.kind == kOtherWay) {
      stack.pop_back();
      return true;
    }
    if (frame.kind == kGiveBack) {
      at = unicode::before(text, at);
      frame.at = at;
      if (at <= frame.limit) stack.pop_back();
      return true;
    }
    const Instruction& i = program_[pc];
    size_t behind = at;
    if (at >= text.size() || !sets_[i.x].contains(unicode::next(text, behind))) {
      stack.pop_back();
      continue;
    }
    frame.at = at = behind;
    if (++frame.limit >= i.max) stack.pop_back();
    ++pc;
    return true;
  }
  return false;
}

bool Regex::place(Place place, std::string_view text, size_t at) const {
  const auto word_at = [&](size_t from) { return unicode::word_set().contains(unicode::next(text, from)); };
  switch (place) {
    case Place::text_begin: return at == 0;
    case Place::text_end: return at == text.size();
    case Place::text_end_or_newline: return at == text.size() || (at + 1 == text.size() && text[at] == '\n');
    case Place::line_begin: return at == 0 || (text[at - 1] == '\n' && at < text.size());
    case Place::line_end: return at == text.size() || text[at] == '\n';
    case Place::word_edge:
    case Place::no_word_edge: {
      const bool left = at > 0 && word_at(unicode::before(text, at));
      const bool right = at < text.size() && word_at(at);
      return (left != right) == (place == Place::word_edge);
    }
  }
  return false;
}

// What the body of a look-ahead or an atomic group left untried is dropped; marks that it set must still come back
// when the rest backtracks past it, so those frames stay.
Regex::Outcome Regex::run_body(std::string_view text, uint32_t pc, size_t& at, Workspace& workspace) const {
  const size_t top = workspace.stack.size();
  const Outcome outcome = run(text, pc, at, workspace);
  const auto first = workspace.stack.begin() + static_cast<std::ptrdiff_t>(top);
  workspace.stack.erase(
      std::remove_if(first, workspace.stack.end(), [](const Frame& f) { return f.kind != kRestoreMark; }),
      workspace.stack.end());
  return outcome;
}

Regex::Outcome Regex::run(std::string_view text, uint32_t pc, size_t& at, Workspace& workspace) const {
  const size_t base = workspace.stack.size();
  while (true) {
    if (workspace.steps == 0 || workspace.stack.size() > kFramesMax) return Outcome::too_many_steps;
    --workspace.steps;
    const Instruction& i = program_[pc];
    bool going = true;
    switch (i.op) {
      case Op::accept:
        return Outcome::matched;
      case Op::one_char:
        going = at < text.size() && unicode::next(text, at) == i.x;
        ++pc;
        break;
      case Op::one_set:
        going = at < text.size() && sets_[i.x].contains(unicode::next(text, at));
        ++pc;
        break;
      case Op::repeat:
        going = repeat(i, text, pc, at, workspace);
        ++pc;
        break;
      case Op::split: {
        const bool x = firsts_[i.guard_x].allows(text, at);
        const bool y = firsts_[i.guard_y].allows(text, at);
        if (x && y) workspace.stack.push_back({kOtherWay, i.y, at, 0});
        going = x || y;
        pc = x ? i.x : i.y;
        break;
      }
      case Op::jump:
        pc = i.x;
        break;
      case Op::mark:
        workspace.stack.push_back({kRestoreMark, i.x, workspace.marks[i.x], 0});
        workspace.marks[i.x] = at;
        ++pc;
        break;
      case Op::if_moved:
        pc = workspace.marks[i.y] != at ? i.x : pc + 1;
        break;
      case Op::assertion:
        going = place(i.place, text, at);
        ++pc;
        break;
      case Op::behind:
        going = at > 0;
        if (going) {
          size_t from = unicode::before(text, at);
          going = sets_[i.x].contains(unicode::next(text, from));
        }
        going = going != i.negative;
        ++pc;
        break;
      case Op::look:
      case Op::atomic: {
        size_t end = at;
        const Outcome outcome = run_body(text, pc + 1, end, workspace);
        if (outcome == Outcome::too_many_steps) return outcome;
        if (i.op == Op::atomic) at = end;
        going = (outcome == Outcome::matched) != i.negative;
        pc = i.x;
        break;
      }
    }
    if (!going && !pop(text, base, pc, at, workspace)) return Outcome::failed;
  }
}

}  // namespace pensee
