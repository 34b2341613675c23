// How a reply looks: for people a dim thought, a blank line and a bold answer (in a pipe two headings instead of
// colours, and none where the model does not think); for programs one JSON object a line.
#pragma once

#include <pensee/pensee.h>

#include <cstdint>
#include <string>

#include "settings.h"

namespace cli {

class ReplyPrinter {
 public:
  explicit ReplyPrinter(const GenerationSettings& settings);
  ~ReplyPrinter();  // leaves the terminal in its own colours
  ReplyPrinter(const ReplyPrinter&) = delete;
  ReplyPrinter& operator=(const ReplyPrinter&) = delete;

  void print(const pensee_event& event);

 private:
  void begin_section(int32_t kind);
  void end_section();

  bool color_;
  bool to_terminal_;
  bool hide_thought_;
  bool styled_ = false;  // a colour is switched on
  bool blank_ = true;    // of the section: nothing visible printed yet
  bool newline_ = true;  // the last byte printed ends a line
  int32_t section_ = 0;  // kind of the last text
};

std::string event_json(const pensee_event& event);

// "41 thought + 12 answer tokens | 23.4 tokens/s | first token after 0.31 s | 2.4B of 15.7B parameters active | stop"
std::string statistics(const pensee_usage& usage, int32_t finish_reason, const pensee_model_info& info);

}  // namespace cli
