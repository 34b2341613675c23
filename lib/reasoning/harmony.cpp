// The splitter's part for gpt-oss: a reply is a row of messages, <|start|>HEADER<|message|>BODY<|end|>, and the header
// says which channel the body belongs to and whom it is for: analysis is thought, final is answer, commentary is answer
// too (a preamble for the user) unless it goes to a function: then the body is a call's arguments.
#include "reasoning/splitter.h"

namespace pensee {
namespace {

constexpr size_t kHeaderMax = 512;

// The word after `label`, up to space or the next tag.
std::string_view word_after(std::string_view header, std::string_view label) {
  const size_t at = header.find(label);
  if (at == header.npos) return {};
  header.remove_prefix(at + label.size());
  return header.substr(0, header.find_first_of(" \t\r\n<"));
}

// What a header says that is no header: the model answered straight away.
std::string_view stray(std::string_view header) {
  if (header.starts_with("assistant")) header.remove_prefix(9);
  const bool blank = header.find_first_not_of(" \t\r\n") == header.npos;
  return blank || header.find("<|channel|>") != header.npos || header.find("to=") != header.npos ? "" : header;
}

}  // namespace

void Splitter::harmony_text(std::string_view bytes, std::vector<Piece>& out) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (arguments_) {
      harmony_arguments(c, out);
    } else if (part_ == Part::body) {
      return emit(channel_, bytes.substr(i), out);
    } else if (part_ == Part::header || std::string_view(" \t\r\n").find(c) == std::string_view::npos) {
      part_ = Part::header;
      header_ += c;
      if (header_.size() < kHeaderMax) continue;
      part_ = Part::body;
      channel_ = Channel::answer;
      emit(channel_, std::exchange(header_, {}), out);
    }
  }
}

void Splitter::harmony_tag(std::string_view tag, std::vector<Piece>& out) {
  if (tag == "<|message|>") {
    if (part_ != Part::body) harmony_message(out);
  } else if (tag == "<|channel|>" || tag == "<|constrain|>") {
    if (part_ == Part::body) {  // the message before was not ended
      if (tag == "<|constrain|>") return;
      harmony_end(out);
    }
    part_ = Part::header;
    header_ += tag;
  } else {
    harmony_end(out);
    part_ = tag == "<|start|>" ? Part::header : Part::between;
  }
}

// The header is complete.
void Splitter::harmony_message(std::vector<Piece>& out) {
  const std::string_view channel = word_after(header_, "<|channel|>");
  std::string_view to = word_after(header_, "to=");
  if (to.starts_with("functions.")) to.remove_prefix(10);
  part_ = Part::body;
  const bool thought = channel == "analysis" && to.empty();
  if (channel_ == Channel::thought && !thought) thought_closed_ = true;
  if (thought) thought_closed_ = false;
  channel_ = thought ? Channel::thought : Channel::answer;
  if (channel.empty() && to.empty()) emit(channel_, stray(header_), out);
  if (!to.empty()) {
    function_ = to;
    arguments_.emplace();
    arguments_done_ = false;
    raw_ = header_ + "<|message|>";
  }
  header_.clear();
}

void Splitter::harmony_arguments(char c, std::vector<Piece>& out) {
  if (arguments_done_) return emit(Channel::answer, std::string_view(&c, 1), out);
  raw_ += c;
  std::string fresh;
  const auto state = valid_tool_name(function_) ? arguments_->push(c, fresh) : JsonScanner::State::broken;
  if (state == JsonScanner::State::done) {
    arguments_done_ = true;
    return end_call_pieces({"", function_, arguments_->text()}, std::move(fresh), out);
  }
  emit(Channel::tool_call, fresh, out);
  if (state == JsonScanner::State::more) return;
  arguments_.reset();
  emit(Channel::answer, std::exchange(raw_, {}), out);
}

// The end of a message, or of all.
void Splitter::harmony_end(std::vector<Piece>& out) {
  if (part_ == Part::header) emit(Channel::answer, stray(header_), out);
  if (arguments_ && !arguments_done_) emit(Channel::answer, raw_, out);
  arguments_.reset();
  header_.clear();
  raw_.clear();
}

}  // namespace pensee
