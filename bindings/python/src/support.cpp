// Errors, callbacks and the views of options that every part of the binding uses: see support.h for the rules.
#include "support.h"

#include <atomic>
#include <cstring>

namespace pensee_python {

namespace {
std::atomic<bool> g_callbacks_stopped{false};

// pensee.h ends these texts at a zero byte: a text that holds one would be cut silently.
const char* c_text(const std::optional<std::string>& text, const char* name) {
  if (!text) return nullptr;
  if (text->find('\0') != std::string::npos) {
    bad_argument(std::string(name) + ": holds a zero byte, at " + std::to_string(text->find('\0')));
  }
  return text->c_str();
}
}  // namespace

void check(pensee_status status, const pensee_error& error) {
  if (status == PENSEE_OK) return;
  const bool empty = error.message[0] == '\0';
  throw StatusError{status, empty ? pensee_status_text(status) : error.message};
}

void bad_argument(std::string message) { throw StatusError{PENSEE_BAD_ARGUMENT, std::move(message)}; }

void stop_callbacks() { g_callbacks_stopped = true; }
bool callbacks_stopped() { return g_callbacks_stopped; }

Callback::~Callback() {
  if (callbacks_stopped() && !PyGILState_Check()) {
    function_.release();  // the interpreter may be gone: leave the object to the end of the process
    return;
  }
  py::gil_scoped_acquire gil;
  function_ = py::object();
}

OptionsView::OptionsView(const Options& options) : c PENSEE_OPTIONS_INIT {
  for (const std::string& text : options.stop) {
    if (text.find('\0') != std::string::npos) bad_argument("stop: a string holds a zero byte");
    stop.push_back(text.c_str());
  }
  c.max_tokens = options.max_tokens;
  c.think_budget = options.think_budget;
  c.temperature = options.temperature;
  c.top_p = options.top_p;
  c.min_p = options.min_p;
  c.top_k = options.top_k;
  c.seed = options.seed;
  c.stop = stop.empty() ? nullptr : stop.data();
  c.num_stop = stop.size();
  c.ignore_eos = options.ignore_eos;
  c.top_logprobs = options.top_logprobs;
  c.effort = options.effort;
}

pensee_prompt view_of(const Prompt& prompt) {
  pensee_prompt c = PENSEE_PROMPT_INIT;
  c.text = c_text(prompt.text, "prompt");
  c.system = c_text(prompt.system, "system");
  c.messages_json = c_text(prompt.messages_json, "messages");
  c.tools_json = c_text(prompt.tools_json, "tools");
  if (prompt.ids) {
    static const int32_t none = 0;
    c.ids = prompt.ids->empty() ? &none : prompt.ids->data();  // an empty list is still a list, not an absent one
    c.num_ids = prompt.ids->size();
  }
  return c;
}

}  // namespace pensee_python
