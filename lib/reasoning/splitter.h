// Splits what a model writes into thought, answer and tool calls, whatever the token borders: text comes in pieces,
// and what is certain comes out, marked. Tags and other markup come out as nothing; a byte that may belong to markup is
// held back until the next ones decide. A tag that is only talked about is text: the rule stands in quoting.h.
//
// What comes out depends on the bytes and on which of them were control tokens, never on how they were cut:
//   - a thought ends at its closing tag or at a tool call; it begins at an opening tag before which nothing but space
//     was answered, or at the token of one at the begin of a line (some models think again). A second opening tag at
//     the begin of a thought is markup, and so is a closing one where no thought is open if nothing was answered yet
//     or if it is the token;
//   - a call that is none (broken JSON, no name) comes out as text, markup and all, of the channel it stood in. What of
//     its arguments went out before that is void: tool_call pieces that end without a call;
//   - space after a call is markup: it separates calls.
// Pure text logic: no tensors, no threads.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reasoning/calls.h"
#include "reasoning/dialect.h"
#include "reasoning/quoting.h"

namespace pensee {

enum class Channel : unsigned char { thought, answer, tool_call };

// thought, answer: text, never empty. tool_call: bytes of a call's arguments; the piece that completes a call has it,
// and then the texts of the call's pieces join to its arguments.
struct Piece {
  Channel channel;
  std::string text;
  std::optional<ToolCall> call = {};
};

class Splitter {
 public:
  // `dialect` must outlive the splitter. `prompt_tail`: the end of the prompt, as reply_start wants it. `tools` may be
  // null: then only tagged calls are read (never a bare object), and texts are told from numbers by their looks.
  Splitter(const Dialect& dialect, std::string_view prompt_tail, std::shared_ptr<const ToolTypes> tools = nullptr);

  // Appends to `out` what is certain now. `mark`: `text` is one control token (Dialect::marks), whole.
  void push(std::string_view text, bool mark, std::vector<Piece>& out);
  // The end: what is held back is decided. Call once.
  void flush(std::vector<Piece>& out);
  // The next closing tag is real wherever it stands: the engine writes it.
  void expect_close() { expect_close_ = true; }

  Channel channel() const;                                 // where the next text goes, as far as is known
  bool thought_closed() const { return thought_closed_; }  // there was a thought, and it is over
  bool answer_begun() const { return answer_begun_; }      // something but space was answered
  const std::vector<ToolCall>& calls() const { return calls_; }

  // Where inside of a call the next token stands, for constraints on arguments that the model writes as JSON.
  struct CallPhase {
    enum class Part : unsigned char { none, name, arguments } part = Part::none;
    std::string_view name;       // so far; empty if the arguments come before it
    std::string_view arguments;  // so far
  };
  CallPhase tool_call_phase() const;

 private:
  enum class Tag : unsigned char { none, open, close, call, section };
  struct Found {
    Tag tag = Tag::none;
    std::string_view text;
    const CallSyntax* call = nullptr;
  };
  enum class Part : unsigned char { between, header, body };  // of a harmony message

  void byte(char c, std::vector<Piece>& out);
  void scan(std::vector<Piece>& out);
  Found find_tag(std::string_view text, bool mark, bool* part) const;
  bool is_active(Tag tag, bool mark) const;
  void settle(std::string_view next, bool last, std::vector<Piece>& out);
  void act(const Found& found, std::vector<Piece>& out);
  void call_byte(char c, std::vector<Piece>& out);
  void give_back(std::vector<Piece>& out);
  void return_raw(std::string_view raw, std::vector<Piece>& out);
  void end_call_pieces(ToolCall call, std::string rest, std::vector<Piece>& out);
  void text(std::string_view bytes, std::vector<Piece>& out);
  void emit(Channel channel, std::string_view bytes, std::vector<Piece>& out);

  void harmony_text(std::string_view bytes, std::vector<Piece>& out);
  void harmony_tag(std::string_view tag, std::vector<Piece>& out);
  void harmony_message(std::vector<Piece>& out);
  void harmony_arguments(char c, std::vector<Piece>& out);
  void harmony_end(std::vector<Piece>& out);

  const Dialect& dialect_;
  std::shared_ptr<const ToolTypes> tools_;
  Channel channel_ = Channel::answer;
  bool thought_closed_ = false, answer_begun_ = false, thought_begun_ = false;
  bool after_call_ = false;  // space is markup
  bool expect_close_ = false;
  Quoting quoting_;
  std::vector<ToolCall> calls_;

  std::string held_;  // may become a tag
  Found pending_;     // a tag that waits for what follows it
  bool pending_mark_ = false;
  std::string after_;  // what followed it so far
  std::optional<CallReader> reader_;

  Part part_ = Part::between;  // harmony from here on
  std::vector<std::string_view> tags_;
  std::string header_, raw_;
  std::optional<ArgumentReader> arguments_;
  std::string function_;
  bool arguments_done_ = false;
};

// The length of the longest end of `text` that is a proper begin of `tag`.
size_t held_back(std::string_view text, std::string_view tag);

}  // namespace pensee
