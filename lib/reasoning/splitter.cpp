#include "reasoning/splitter.h"

#include <algorithm>

namespace pensee {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_blank(std::string_view text) { return std::all_of(text.begin(), text.end(), is_space); }

}  // namespace

size_t held_back(std::string_view text, std::string_view tag) {
  if (tag.empty()) return 0;
  for (size_t n = std::min(text.size(), tag.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == tag.substr(0, n)) return n;
  }
  return 0;
}

Splitter::Splitter(const Dialect& dialect, std::string_view prompt_tail, std::shared_ptr<const ToolTypes> tools)
    : dialect_(dialect), tools_(std::move(tools)) {
  const ReplyStart start = reply_start(dialect, prompt_tail);
  channel_ = start.in_thought ? Channel::thought : Channel::answer;
  thought_closed_ = start.thought_closed;
  if (!dialect.harmony) return;
  tags_ = tags_of(dialect);
  // The prompt's last message is the begin of the reply: read it as such, and forget what came out.
  std::vector<Piece> before;
  std::string_view rest = start.harmony_header;
  part_ = rest.empty() ? Part::body : Part::between;
  while (!rest.empty()) {
    bool part = false;
    const size_t end = std::min(rest.find('>'), rest.size() - 1) + 1;
    const size_t begin = std::min(rest.find("<|"), rest.size());
    const std::string_view piece = rest.substr(0, begin > 0 ? begin : end);
    const Found found = find_tag(piece, true, &part);
    found.tag == Tag::none ? harmony_text(piece, before) : harmony_tag(found.text, before);
    rest.remove_prefix(piece.size());
  }
  answer_begun_ = thought_begun_ = false;
}

Channel Splitter::channel() const { return reader_ || arguments_ ? Channel::tool_call : channel_; }

Splitter::CallPhase Splitter::tool_call_phase() const {
  using Where = CallPhase::Part;
  if (arguments_) {
    return arguments_done_ ? CallPhase() : CallPhase{Where::arguments, function_, arguments_->text()};
  }
  if (!reader_ || !reader_->is_json()) return {};
  if (reader_->reads_name()) return {Where::name, reader_->name(), {}};
  if (reader_->reads_arguments()) return {Where::arguments, reader_->name(), reader_->arguments()};
  return {};
}

bool Splitter::is_active(Tag tag, bool mark) const {
  if (channel_ == Channel::thought || !answer_begun_) return true;
  switch (tag) {
    case Tag::open:
      return mark && quoting_.line_is_blank() && !quoting_.in_fence();
    case Tag::close:
      return mark && !quoting_.in_fence();
    default:
      return true;
  }
}

// The tag that `text` is, or (`part`) whether it begins one.
Splitter::Found Splitter::find_tag(std::string_view text, bool mark, bool* part) const {
  Found found;
  const auto look = [&](Tag tag, std::string_view tag_text, const CallSyntax* call = nullptr) {
    if (tag_text.empty() || found.tag != Tag::none || !tag_text.starts_with(text)) return;
    // A tag such as <|call|> is never written in letters; one such as <tool_call> may be.
    if (!mark && tag_text.size() > 2 && tag_text[0] == '<' && tag_text.find_first_of("|\357") == 1 &&
        dialect_.is_token(tag_text)) {
      return;
    }
    if (!is_active(tag, mark)) return;
    if (tag_text == text) {
      found = {tag, tag_text, call};
    } else {
      *part = true;
    }
  };
  if (dialect_.harmony) {
    for (const std::string_view tag : tags_) look(Tag::section, tag);
    return found;
  }
  look(Tag::close, dialect_.think.close);
  look(Tag::open, dialect_.think.open);
  for (const CallSyntax* call : dialect_.calls) {
    look(Tag::call, call->begin, call);
    for (const std::string_view section : call->sections) look(Tag::section, section);
  }
  return found;
}

void Splitter::push(std::string_view bytes, bool mark, std::vector<Piece>& out) {
  // A thought's end inside of a call that the thought holds: the call is broken off.
  if (mark && reader_ && channel_ == Channel::thought && bytes == dialect_.think.close) {
    const std::string raw = reader_->raw();
    reader_.reset();
    return_raw(raw, out);
  }
  if (!mark || reader_) {
    for (const char c : bytes) byte(c, out);
    return;
  }
  if (pending_.tag != Tag::none) settle(after_ + std::string(bytes), true, out);
  if (reader_) return push(bytes, mark, out);
  text(std::exchange(held_, {}), out);
  bool part = false;
  const Found found = find_tag(bytes, true, &part);
  if (found.tag == Tag::none) return text(bytes, out);
  pending_ = found;
  pending_mark_ = true;
  settle({}, false, out);
}

void Splitter::byte(char c, std::vector<Piece>& out) {
  if (reader_) return call_byte(c, out);
  if (pending_.tag != Tag::none) {
    after_ += c;
    return settle(after_, false, out);
  }
  held_ += c;
  scan(out);
}

// Decides what is held back as far as that can be.
void Splitter::scan(std::vector<Piece>& out) {
  while (!held_.empty()) {
    bool part = false;
    const Found found = find_tag(held_, false, &part);
    if (found.tag != Tag::none) {
      held_.clear();
      pending_ = found;
      pending_mark_ = false;
      return settle({}, false, out);
    }
    if (part) return;
    // A bare object at the begin of an answer may be a call.
    if (held_[0] == '{' && channel_ == Channel::answer && !answer_begun_ && tools_ && !tools_->empty()) {
      const auto bare = std::find_if(dialect_.calls.begin(), dialect_.calls.end(), [](auto* c) { return c->bare; });
      if (bare != dialect_.calls.end()) {
        reader_.emplace(**bare, "", true, tools_.get());
        for (const char c : std::exchange(held_, {})) byte(c, out);
        return;
      }
    }
    text(std::string_view(held_).substr(0, 1), out);
    held_.erase(0, 1);
  }
}

// Decides the pending tag, if what follows it allows.
void Splitter::settle(std::string_view next, bool last, std::vector<Piece>& out) {
  auto verdict = Quoting::Tag::real;
  const bool closes = pending_.tag == Tag::close;
  if (!dialect_.harmony && pending_.tag != Tag::open && !(closes && expect_close_)) {
    const bool suspicious = !pending_mark_ && channel_ == Channel::thought && dialect_.is_token(pending_.text);
    verdict = quoting_.judge(next, last, closes, suspicious);
  }
  if (verdict == Quoting::Tag::undecided) return;
  const Found found = std::exchange(pending_, {});
  const std::string again = std::exchange(after_, {});
  if (verdict == Quoting::Tag::real) {
    act(found, out);
  } else {
    if (closes) quoting_.literal_close();
    text(found.text, out);
  }
  for (const char c : again) byte(c, out);
}

void Splitter::act(const Found& found, std::vector<Piece>& out) {
  switch (found.tag) {
    case Tag::open:
      if (channel_ == Channel::thought) {
        if (!thought_begun_) return;
        quoting_.literal_open();
        return text(found.text, out);
      }
      channel_ = Channel::thought;
      thought_begun_ = false;
      thought_closed_ = false;
      quoting_.reset();
      return;
    case Tag::close:
      expect_close_ = false;
      if (channel_ == Channel::thought) quoting_.reset();
      channel_ = Channel::answer;
      thought_closed_ = true;
      return;
    case Tag::call:
      reader_.emplace(*found.call, found.text, false, tools_.get());
      return;
    case Tag::section:
      if (dialect_.harmony) return harmony_tag(found.text, out);
      after_call_ = true;
      return;
    case Tag::none:
      return;
  }
}

void Splitter::call_byte(char c, std::vector<Piece>& out) {
  std::string fresh;
  const CallReader::Step step = reader_->push(c, fresh);
  if (step == CallReader::Step::call) {
    end_call_pieces(reader_->take(), std::move(fresh), out);
    if (reader_->over()) reader_.reset();
    return;
  }
  emit(Channel::tool_call, fresh, out);
  if (step == CallReader::Step::ended) reader_.reset();
  if (step == CallReader::Step::broken || step == CallReader::Step::left) give_back(out);
}

// The reader met something that belongs to no call.
void Splitter::give_back(std::vector<Piece>& out) {
  const std::string raw = reader_->raw(), unread = reader_->unread();
  reader_.reset();
  return_raw(raw, out);
  for (const char c : unread) byte(c, out);
}

// What was no call is text, but a thought's end inside of it is one. (Only the first: what follows is an answer.)
void Splitter::return_raw(std::string_view raw, std::vector<Piece>& out) {
  const std::string& close = dialect_.think.close;
  const size_t at = channel_ == Channel::thought && !close.empty() ? raw.find(close) : raw.npos;
  text(raw.substr(0, at), out);
  if (at == raw.npos) return;
  for (const char c : raw.substr(at)) byte(c, out);
}

void Splitter::end_call_pieces(ToolCall call, std::string rest, std::vector<Piece>& out) {
  if (call.id.empty()) call.id = "call_" + std::to_string(calls_.size());
  const bool goes_on = !out.empty() && out.back().channel == Channel::tool_call && !out.back().call;
  if (!goes_on) out.push_back({Channel::tool_call, ""});
  out.back().text += rest;
  out.back().call = call;
  calls_.push_back(std::move(call));
  after_call_ = true;
  if (dialect_.harmony || channel_ != Channel::thought) return;
  channel_ = Channel::answer;
  thought_closed_ = true;
  quoting_.reset();
}

void Splitter::text(std::string_view bytes, std::vector<Piece>& out) {
  if (bytes.empty()) return;
  if (dialect_.harmony) return harmony_text(bytes, out);
  emit(channel_, bytes, out);
}

void Splitter::emit(Channel channel, std::string_view bytes, std::vector<Piece>& out) {
  if (after_call_ && channel == Channel::answer) {
    bytes.remove_prefix(std::min(bytes.find_first_not_of(" \t\r\n"), bytes.size()));
  }
  if (bytes.empty()) return;
  if (channel != Channel::tool_call) {
    after_call_ = false;
    quoting_.text(bytes);
    if (!is_blank(bytes)) (channel == Channel::answer ? answer_begun_ : thought_begun_) = true;
  }
  if (!out.empty() && out.back().channel == channel && !out.back().call) {
    out.back().text += bytes;
  } else {
    out.push_back({channel, std::string(bytes)});
  }
}

void Splitter::flush(std::vector<Piece>& out) {
  // Each round decides something: a tag, a call or what is held.
  while (pending_.tag != Tag::none || reader_ || !held_.empty()) {
    if (pending_.tag != Tag::none) {
      settle(after_, true, out);
    } else if (reader_) {
      const std::string raw = reader_->raw();
      reader_.reset();
      return_raw(raw, out);
    } else {
      text(std::exchange(held_, {}), out);
    }
  }
  if (dialect_.harmony) harmony_end(out);
}

}  // namespace pensee
