// Splits what a model writes into thought and answer, whatever the token borders: text comes in pieces, and what is
// certain comes out, marked. The tags themselves come out as nothing. A piece that may be the begin of a tag is held
// back until the next one decides. Pure text logic: no tokens, no tensors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pensee {

enum class Channel : unsigned char { thought, answer };

struct ThinkTags {
  std::string open = "<think>";
  std::string close = "</think>";
};

struct Piece {
  Channel channel;
  std::string text;  // never empty
};

class Splitter {
 public:
  // `in_thought`: the prompt has opened the thought already.
  Splitter(ThinkTags tags, bool in_thought);

  // Appends to `out` what is certain now.
  void push(std::string_view text, std::vector<Piece>& out);
  // The end: what was held back was no tag.
  void flush(std::vector<Piece>& out);

  Channel channel() const { return channel_; }  // where the next text goes, as far as is known
  bool thought_closed() const { return thought_closed_; }

 private:
  std::string_view tag() const;  // that is looked for now; empty: none
  void emit(std::string_view text, std::vector<Piece>& out);

  ThinkTags tags_;
  Channel channel_;
  bool thought_closed_ = false;
  bool answer_begun_ = false;  // something but space was answered: a later opening tag is prose
  std::string held_;
};

// The length of the longest end of `text` that is a proper begin of `tag`.
size_t held_back(std::string_view text, std::string_view tag);

}  // namespace pensee
