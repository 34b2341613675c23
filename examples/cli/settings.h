// The options that several commands share, and what they set in the library's structs; owning handles; opening a model
// with a progress bar and Ctrl-C.
#pragma once

#include <pensee/pensee.h>

#include <memory>
#include <string>
#include <vector>

#include "args.h"
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
ModelHandle open_model(const std::string& path, ModelSettings settings);
SessionHandle new_session(const ModelHandle& model);
pensee_model_info model_info(const ModelHandle& model);

struct GenerationSettings {
  pensee_options options = PENSEE_OPTIONS_INIT;  // without `stop`, which request() points to the strings below
  std::vector<const char*> stop;
  const char* system = nullptr;
  std::string tools_json;
  ColorMode color = ColorMode::automatic;
  bool quiet = false;         // no line of statistics
  bool hide_thought = false;  // in text output

  pensee_options request() const;
};
void add_generation_flags(Flags& flags, GenerationSettings& settings);

std::string read_file(const std::string& path);  // "-": standard input

// "15.7B", "1.5M", "320"
std::string short_count(double count);
// "3.4 GB", in powers of 1000
std::string short_bytes(double bytes);

}  // namespace cli
