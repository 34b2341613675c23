// The options that several commands share, and what they set in the library's structs; owning handles; opening a model
// with a progress bar and Ctrl-C.
#pragma once

#include <pensee/pensee.h>

#include <memory>
#include <string>
#include <vector>

#include "args.h"
#include "sampling_flags.h"
#include "terminal.h"

namespace cli {

template <auto release>
struct Releaser {
  template <class T>
  void operator()(T* handle) const {
    release(handle);
  }
};
using ModelHandle = std::unique_ptr<pensee_model, Releaser<pensee_model_free>>;
using SessionHandle = std::unique_ptr<pensee_session, Releaser<pensee_session_free>>;
using StreamHandle = std::unique_ptr<pensee_stream, Releaser<pensee_stream_free>>;

// Throws Failure with the library's message unless status is PENSEE_OK.
void check(pensee_status status, const pensee_error& error);

struct ModelSettings {
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  bool quiet = false;  // no progress bar
};
void add_model_flags(Flags& flags, ModelSettings& settings);
// path null: the default model, which comes with the library.
ModelHandle open_model(const char* path, ModelSettings settings);
// A command's only argument, if any, as such a path.
const char* only_model(const std::vector<std::string>& positionals);
// Whether an argument that stands alone is a MODEL rather than a question: it exists, or is written as a path is.
bool names_model(const std::string& argument);
SessionHandle new_session(const ModelHandle& model);
pensee_model_info model_info(const ModelHandle& model);

struct GenerationSettings {
  pensee_options options = PENSEE_OPTIONS_INIT;  // without what request() points to the members below
  SamplingSettings sampling, answer_sampling;
  bool has_answer_sampling = false;
  std::vector<const char*> stop;
  const char* system = nullptr;
  const char* draft_path = nullptr;
  std::string tools_json, json_schema, grammar;
  ColorMode color = ColorMode::automatic;
  bool quiet = false;         // no line of statistics
  bool hide_thought = false;  // in text output

  pensee_options request() const;
};
void add_generation_flags(Flags& flags, GenerationSettings& settings);
// The draft model where one is named; `settings` then asks for it.
ModelHandle open_draft(GenerationSettings& settings, const ModelSettings& model_settings);

std::string read_file(const std::string& path);  // "-": standard input
// `value` itself where it begins with one of `openers` or holds `mark`, else the file of that name.
std::string text_or_file(const char* value, const char* openers, const char* mark);

// "15.7B", "1.5M", "320"
std::string short_count(double count);
// "3.4 GB", in powers of 1000
std::string short_bytes(double bytes);

}  // namespace cli
