// Tells a tag that is meant from one that is talked about. It sees the text of a channel byte by byte and knows which
// quote is open in the current line and whether the line stands inside of a code fence.
//
// The rule for a tag. It is literal (text, no markup) where
//   1. a quote is open in its line and the character after the tag closes it: `</think>`, "... </think>", and the like.
//      A quote opens after space, an opening bracket or punctuation, never after a letter or digit (don't, 5");
//      typographic quotes open anywhere. A line's end closes all quotes, except of code fences;
//   2. it stands in a code fence (``` or ~~~ at the begin of a line) after an opening tag in the same fence, or right
//      before the fence's end, or after other text on its line and not before an empty line;
//   3. the vocabulary has the tag as one token, the text came as other tokens, and it has other text on both sides in
//      its line: a model closes its thought with the token it was taught.
// Anywhere else it is real. So at most four bytes are looked at before a tag is decided, and a real closing is missed
// only where the model left a quote or a fence open and goes on in the same line as if it were inside.
#pragma once

#include <string>
#include <string_view>

namespace pensee {

class Quoting {
 public:
  enum class Tag : unsigned char { real, literal, undecided };

  void reset() { *this = Quoting(); }
  void text(std::string_view bytes);  // what the channel got
  void literal_open();                // an opening tag was taken as text

  // A tag stands after all text so far, and `next` is what follows as far as it is known; `last`: nothing else follows.
  // `closes`: it closes a thought (rules 2 and 3 are for these). `suspicious`: it has a token but came as others.
  Tag judge(std::string_view next, bool last, bool closes, bool suspicious) const;
  // After judge said literal of a closing tag.
  void literal_close();

  bool line_is_blank() const { return blank_; }
  bool in_fence() const { return fence_char_ != 0; }

 private:
  void byte(char c);
  void quote_byte(char c);

  std::string_view closing_;  // of the open quote; empty: none is open
  std::string recent_;        // the last bytes of the line, for quotes of several bytes
  size_t ticks_ = 0;          // a run of the fence's character at the begin of the line
  char fence_char_ = 0;       // of the open fence; 0: none
  char run_char_ = 0;
  bool blank_ = true;  // nothing but space in this line
  bool head_ = true;   // still in the run that may be a fence
  int opened_in_fence_ = 0;
};

}  // namespace pensee
