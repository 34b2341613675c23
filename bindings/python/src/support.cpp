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

int on_progress(void* user, float fraction) {
  auto* state = static_cast<ProgressState*>(user);
  py::gil_scoped_acquire gil;
  try {
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (state->function->is_none()) return 0;
    const py::object answer = (*state->function)(fraction);
    return answer.ptr() == Py_False ? 1 : 0;
  } catch (...) {
    state->raised = std::current_exception();
    return 1;
  }
}

Callback::~Callback() {
  if (callbacks_stopped() && !PyGILState_Check()) {
    function_.release();  // the interpreter may be gone: leave the object to the end of the process
    return;
  }
  py::gil_scoped_acquire gil;
  function_ = py::object();
}

SamplingView::SamplingView(const Sampling& sampling, const char* name) : c(sampling) {
  if (sampling.dry_breakers) {
    for (const std::string& text : *sampling.dry_breakers) {
      if (text.find('\0') != std::string::npos) bad_argument(std::string(name) + ": a string holds a zero byte");
      dry_breakers.push_back(text.c_str());
    }
    static const char* const none = "";
    c.dry_breakers = dry_breakers.empty() ? &none : dry_breakers.data();  // an empty list is not an absent one
    c.num_dry_breakers = dry_breakers.size();
  }
  for (const auto& [token_id, bias] : sampling.logit_bias) logit_bias.push_back({token_id, bias});
  c.logit_bias = logit_bias.empty() ? nullptr : logit_bias.data();
  c.num_logit_bias = logit_bias.size();
  if (sampling.order) {
    static const int32_t none = 0;
    c.order = sampling.order->empty() ? &none : sampling.order->data();
    c.num_order = sampling.order->size();
  }
}

OptionsView::OptionsView(const Options& options) : c(options) {
  for (const std::string& text : options.stop) {
    if (text.find('\0') != std::string::npos) bad_argument("stop: a string holds a zero byte");
    stop.push_back(text.c_str());
  }
  c.stop = stop.empty() ? nullptr : stop.data();
  c.num_stop = stop.size();
  c.thought_prefix = c_text(options.thought_prefix, "thought_prefix");
  c.answer_prefix = c_text(options.answer_prefix, "answer_prefix");
  c.budget_text = c_text(options.budget_text, "budget_text");
  c.json_schema = c_text(options.json_schema, "json_schema");
  c.regex = c_text(options.regex, "regex");
  c.grammar = c_text(options.grammar, "grammar");
  if (options.sampling) c.sampling = &sampling.emplace(*options.sampling, "dry_breakers").c;
  if (options.answer_sampling) {
    c.answer_sampling = &answer_sampling.emplace(*options.answer_sampling, "answer_sampling: dry_breakers").c;
  }
  c.draft_model = options.draft_model ? options.draft_model->handle : nullptr;
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
