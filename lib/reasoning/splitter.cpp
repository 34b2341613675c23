#include "reasoning/splitter.h"

#include <algorithm>

namespace pensee {

size_t held_back(std::string_view text, std::string_view tag) {
  if (tag.empty()) return 0;
  for (size_t n = std::min(text.size(), tag.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == tag.substr(0, n)) return n;
  }
  return 0;
}

Splitter::Splitter(ThinkTags tags, bool in_thought)
    : tags_(std::move(tags)), channel_(in_thought ? Channel::thought : Channel::answer) {}

std::string_view Splitter::tag() const {
  if (channel_ == Channel::thought) return tags_.close;
  return thought_closed_ || answer_begun_ ? std::string_view() : std::string_view(tags_.open);
}

void Splitter::emit(std::string_view text, std::vector<Piece>& out) {
  if (text.empty()) return;
  if (channel_ == Channel::answer && text.find_first_not_of(" \t\r\n") != text.npos) answer_begun_ = true;
  if (!out.empty() && out.back().channel == channel_) {
    out.back().text += text;
  } else {
    out.push_back({channel_, std::string(text)});
  }
}

void Splitter::push(std::string_view text, std::vector<Piece>& out) {
  held_ += text;
  while (!held_.empty()) {
    const std::string_view wanted = tag();
    const size_t at = wanted.empty() ? held_.npos : held_.find(wanted);
    // An opening tag counts only where nothing but space came before it.
    const bool prose = channel_ == Channel::answer && at != held_.npos && held_.find_first_not_of(" \t\r\n") < at;
    if (at == held_.npos || prose) {
      const size_t sure = prose ? at : held_.size() - held_back(held_, wanted);
      emit(std::string_view(held_).substr(0, sure), out);
      held_.erase(0, sure);
      if (prose) continue;
      // What is held may have become prose by what went out before it.
      if (tag().empty() && !held_.empty()) continue;
      return;
    }
    emit(std::string_view(held_).substr(0, at), out);
    held_.erase(0, at + wanted.size());
    if (channel_ == Channel::thought) thought_closed_ = true;
    channel_ = channel_ == Channel::thought ? Channel::answer : Channel::thought;
  }
}

void Splitter::flush(std::vector<Piece>& out) {
  emit(held_, out);
  held_.clear();
}

}  // namespace pensee
