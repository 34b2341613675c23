#include "reasoning/vote.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace pensee {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }

std::string_view trim(std::string_view text, std::string_view what = " \t\r\n") {
  const size_t begin = text.find_first_not_of(what);
  return begin == text.npos ? std::string_view() : text.substr(begin, text.find_last_not_of(what) + 1 - begin);
}

// What stands between the brace at the begin of `text` and the one that closes it; npos as size: none closes it.
size_t braced(std::string_view text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return i - 1;
    }
  }
  return std::string_view::npos;
}

// The last \boxed{...}; each closing brace is looked for once, so many open ones cost no more than a few.
std::string_view boxed(std::string_view text) {
  constexpr std::string_view tag = "\\boxed";
  size_t end = text.size();
  for (size_t at = text.rfind(tag); at != text.npos; at = at > 0 ? text.rfind(tag, at - 1) : text.npos) {
    const size_t brace = text.find_first_not_of(" ", at + tag.size());
    if (brace == text.npos || text[brace] != '{') continue;
    // An open one further on would have closed first, so what follows it cannot close this one.
    const size_t size = braced(text.substr(brace, end - brace));
    if (size != text.npos) return text.substr(brace + 1, size);
    end = at;
  }
  return {};
}

// What follows the last "answer is" or "answer:", up to the end of its sentence.
std::string_view announced(std::string_view text) {
  std::string folded(text);
  std::transform(folded.begin(), folded.end(), folded.begin(), lower);
  for (size_t at = folded.rfind("answer"); at != folded.npos;
       at = at > 0 ? folded.rfind("answer", at - 1) : folded.npos) {
    if (at > 0 && is_letter(folded[at - 1])) continue;
    std::string_view rest = text.substr(at + 6);
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t*_"), rest.size()));
    const bool is = folded.compare(text.size() - rest.size(), 3, "is ") == 0 ||
                    folded.compare(text.size() - rest.size(), 3, "is:") == 0;
    if (!is && !rest.starts_with(':') && !rest.starts_with('=')) continue;
    rest = trim(rest.substr(is ? 2 : 1), " \t\r\n*_:");
    rest = rest.substr(0, rest.find('\n'));
    rest = trim(rest.substr(0, rest.find(". ")));
    rest = rest.substr(0, rest.find_last_not_of(" \t\r*_.") + 1);
    if (!rest.empty()) return rest;
  }
  return {};
}

std::string_view last_line(std::string_view text) {
  text = trim(text);
  const size_t at = text.rfind('\n');
  return trim(at == text.npos ? text : text.substr(at + 1));
}

void erase_all(std::string& text, std::string_view what) {
  std::string kept;
  kept.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    if (text.compare(i, what.size(), what) == 0) {
      i += what.size();
    } else {
      kept += text[i++];
    }
  }
  text = std::move(kept);
}

// \text{...} and the like around all of it.
void unwrap(std::string& text) {
  for (const std::string_view tag : {"\\text", "\\textbf", "\\mathrm", "\\mathbf", "\\boxed"}) {
    if (!text.starts_with(tag) || text.size() <= tag.size() || text[tag.size()] != '{') continue;
    if (braced(std::string_view(text).substr(tag.size())) != text.size() - tag.size() - 2) continue;
    text = std::string(trim(std::string_view(text).substr(tag.size() + 1, text.size() - tag.size() - 2)));
  }
}

// The digits of a number written with or without thousands separators; empty when it is none.
std::string digits_of(std::string_view text) {
  std::string digits;
  size_t group = 0;
  bool separated = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_digit(text[i])) {
      digits += text[i];
      ++group;
      continue;
    }
    const bool fits = text[i] == ',' && i > 0 && (separated ? group == 3 : group <= 3) && i + 1 < text.size();
    if (!fits) return {};
    separated = true;
    group = 0;
  }
  return separated && group != 3 ? "" : digits;
}

// The shortest form of a decimal number of any length; empty when `text` is none.
std::string number_of(std::string_view text) {
  bool minus = false;
  if (text.starts_with('-') || text.starts_with('+')) {
    minus = text[0] == '-';
    text.remove_prefix(1);
  }
  int exponent = 0;
  if (const size_t e = text.find_first_of("eE"); e != text.npos) {
    std::string_view power = text.substr(e + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), exponent);
    if (error != std::errc() || end != power.data() + power.size() || std::abs(exponent) > 400) return {};
    text = text.substr(0, e);
  }
  const size_t point = text.find('.');
  const std::string_view head = text.substr(0, point);
  std::string_view fraction = point == text.npos ? std::string_view() : text.substr(point + 1);
  std::string digits = digits_of(head);
  if (digits.empty() && (!head.empty() || fraction.empty())) return {};
  if (!std::all_of(fraction.begin(), fraction.end(), is_digit)) return {};
  auto places = static_cast<int>(std::min(fraction.size(), size_t{1} << 20)) - exponent;
  digits += fraction.substr(0, size_t{1} << 20);
  if (places < 0) {
    digits.append(static_cast<size_t>(-places), '0');
    places = 0;
  }
  if (digits.size() <= static_cast<size_t>(places))
    digits.insert(0, static_cast<size_t>(places) + 1 - digits.size(), '0');
  std::string whole = digits.substr(0, digits.size() - static_cast<size_t>(places));
  std::string rest = digits.substr(digits.size() - static_cast<size_t>(places));
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
  rest.resize(rest.find_last_not_of('0') + 1);
  if (!rest.empty()) whole += "." + rest;
  return minus && whole != "0" ? "-" + whole : whole;
}

}  // namespace

std::string final_answer(std::string_view text) {
  std::string_view found = trim(boxed(text));
  if (found.empty()) found = announced(text);
  if (found.empty()) found = last_line(text);
  return std::string(found);
}

std::string normal_answer(std::string_view answer) {
  std::string text(answer);
  for (const std::string_view noise :
       {"**", "$", "\\(", "\\)", "\\[", "\\]", "\\!", "\\,", "\\;", "\\left", "\\right"}) {
    erase_all(text, noise);
  }
  for (size_t at = text.find("\342\210\222"); at != text.npos; at = text.find("\342\210\222", at))
    text.replace(at, 3, "-");
  for (size_t at = text.find("{,}"); at != text.npos; at = text.find("{,}", at)) text.replace(at, 3, ",");
  text = std::string(trim(text));
  while (text.ends_with('.')) text = std::string(trim(std::string_view(text).substr(0, text.size() - 1)));
  unwrap(text);
  std::string compact;
  for (const char c : text) {
    const bool space = std::string_view(" \t\r\n").find(c) != std::string_view::npos;
    if (!space) {
      compact += lower(c);
    } else if (!compact.ends_with(' ')) {
      compact += ' ';
    }
  }
  std::string number = number_of(compact);
  return number.empty() ? compact : number;
}

void Vote::add(std::string_view text, double weight) {
  const size_t index = given_++;
  std::string answer = final_answer(text);
  std::string normal = normal_answer(answer);
  if (normal.empty()) return;
  if (!(weight > 0)) weight = 0;  // neither does NaN count
  if (weight_max_ > 0) weight = std::min(weight, weight_max_);
  auto at =
      std::find_if(candidates_.begin(), candidates_.end(), [&](const Candidate& c) { return c.normal == normal; });
  if (at == candidates_.end()) {
    candidates_.push_back({std::move(answer), std::move(normal), 0, 0, index});
    at = candidates_.end() - 1;
  }
  at->weight += weight;
  ++at->votes;
}

const Candidate* Vote::winner() const {
  const Candidate* best = nullptr;
  for (const Candidate& candidate : candidates_) {
    if (!best || candidate.weight > best->weight) best = &candidate;
  }
  return best;
}

bool Vote::certain() const {
  const Candidate* best = winner();
  const size_t open = expected_ > given_ ? expected_ - given_ : 0;
  if (!best || open == 0) return best != nullptr;
  if (!(weight_max_ > 0)) return false;
  const double most = static_cast<double>(open) * weight_max_;
  if (most > best->weight) return false;  // a newcomer comes later than the winner, so it must have more
  return std::all_of(candidates_.begin(), candidates_.end(), [&](const Candidate& other) {
    if (&other == best) return true;
    const double reach = other.weight + most;
    return other.first < best->first ? reach < best->weight : reach <= best->weight;
  });
}

}  // namespace pensee
