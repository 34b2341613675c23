// How a reply looks: for people a dim thought, a blank line and a bold answer (in a pipe two headings instead of
// colours, and none where the model does not think); for programs one JSON object a line.
#pragma once

#include <pensee/pensee.h>

#include <cstdint>
#include <string>
#include <vector>

#include "json_writer.h"
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
  void print_call(const pensee_event& event);
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

// The replies of n samples one after the other, whose events come mixed: the one in turn as it comes, others when it
// has ended.
class SamplesPrinter {
 public:
  SamplesPrinter(const GenerationSettings& settings, int32_t samples);
  void print(const pensee_event& event);

 private:
  struct Kept {
    int32_t kind;
    std::string text, tool_name, tool_arguments_json;
    bool is_call;
  };
  void print(const Kept& kept);
  void begin_sample();

  ReplyPrinter printer_;
  std::vector<std::vector<Kept>> waiting_;  // of each sample
  std::vector<bool> ended_;
  size_t turn_ = 0;
  bool begun_ = false;
};

std::string event_json(const pensee_event& event, const pensee_model_info& info);
// The member "usage" of an object.
void write_usage(JsonWriter& json, const pensee_usage& usage);

// "41 thought + 12 answer tokens | 23.4 tokens/s | first token after 0.31 s | 2.4B of 15.7B parameters active | stop"
// with what was kept of the prompt, and what speculation drafted, where there is something to tell.
std::string statistics(const pensee_usage& usage, int32_t finish_reason, const pensee_model_info& info);

}  // namespace cli
