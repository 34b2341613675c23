// _pensee.Session and _pensee.Stream: the pull side of pensee.h, which needs no callback into Python. A stream waits in
// slices of 50 ms with the GIL released and looks for signals between them, so Ctrl-C arrives at once and other Python
// threads run meanwhile.
#include <algorithm>

#include "support.h"

namespace pensee_python {

namespace {

constexpr int64_t slice_ms = 50;

struct Session {
  std::shared_ptr<SessionOwner> owner;  // empty after close()
  std::shared_ptr<SessionOwner> get() const {
    if (!owner) bad_argument("the session is closed");
    return owner;
  }
};

struct Stream {
  std::shared_ptr<StreamOwner> owner;  // empty after close()
};

// pensee_event with everything it points at: its strings end with the next call on the stream.
struct Event {
  int32_t kind = 0;
  int32_t finish_reason = 0;
  std::string text;
  int32_t token_id = -1;
  float logprob = 0;
  int64_t position = 0;
  std::vector<pensee_alternative> alternatives;
  std::optional<std::string> tool_call_id, tool_name, tool_arguments_json;
  std::optional<pensee_usage> usage;

  void copy(const pensee_event& c) {
    const auto text_of = [](const char* value) {
      return value ? std::optional<std::string>(value) : std::optional<std::string>();
    };
    kind = c.kind;
    finish_reason = c.finish_reason;
    if (c.text) text.assign(c.text, c.text_length);
    token_id = c.token_id;
    logprob = c.logprob;
    position = c.position;
    if (c.alternatives) alternatives.assign(c.alternatives, c.alternatives + c.num_alternatives);
    tool_call_id = text_of(c.tool_call_id);
    tool_name = text_of(c.tool_name);
    tool_arguments_json = text_of(c.tool_arguments_json);
    if (c.usage) usage = *c.usage;
  }
};

py::str text_to_python(const std::string& text) {
  PyObject* decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace");
  if (!decoded) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

py::dict usage_to_python(const pensee_usage& c) {
  py::dict d;
  d["prompt_tokens"] = c.prompt_tokens;
  d["cached_tokens"] = c.cached_tokens;
  d["thought_tokens"] = c.thought_tokens;
  d["answer_tokens"] = c.answer_tokens;
  d["seconds_to_first_token"] = c.seconds_to_first_token;
  d["seconds"] = c.seconds;
  d["prompt_tokens_per_second"] = c.prompt_tokens_per_second;
  d["tokens_per_second"] = c.tokens_per_second;
  d["parameters_active"] = c.parameters_active;
  d["flops"] = c.flops;
  d["weight_bytes_read"] = c.weight_bytes_read;
  d["seed"] = c.seed;
  return d;
}

// (kind, finish_reason, text, token_id, logprob, position, [(token_id, logprob)], tool call or None, usage or None)
py::tuple event_to_python(const Event& event) {
  py::tuple alternatives(event.alternatives.size());
  for (size_t i = 0; i < event.alternatives.size(); ++i) {
    alternatives[i] = py::make_tuple(event.alternatives[i].token_id, event.alternatives[i].logprob);
  }
  py::object tool = py::none();
  if (event.tool_name) {
    tool = py::make_tuple(text_to_python(event.tool_call_id.value_or("")), text_to_python(*event.tool_name),
                          text_to_python(event.tool_arguments_json.value_or("")));
  }
  const py::object usage = event.usage ? py::object(usage_to_python(*event.usage)) : py::object(py::none());
  return py::make_tuple(event.kind, event.finish_reason, text_to_python(event.text), event.token_id, event.logprob,
                        event.position, alternatives, tool, usage);
}

Session session_of(const Model& model) { return Session{new_session(model.get())}; }

Stream open_stream(const Session& session, const Prompt& prompt, const Options& options) {
  auto owner = std::make_shared<StreamOwner>();
  owner->session = session.get();
  const pensee_prompt c = view_of(prompt);
  const OptionsView view(options);
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  without_gil([&] {
    const std::lock_guard<std::mutex> lock(owner->session->mutex);
    status = pensee_stream_open(owner->session->handle, &c, &view.c, &owner->handle, &error);
  });
  check(status, error);
  return Stream{owner};
}

// The next event as a tuple; None when `timeout_ms` passed without one (-1: waits for ever); StopIteration after the
// last one and after close().
py::object next(const Stream& stream, int64_t timeout_ms) {
  for (int64_t left = timeout_ms;;) {
    const auto owner = stream.owner;  // anew in each round: close() may have come between
    if (!owner) throw py::stop_iteration();
    const int64_t wait = left < 0 ? slice_ms : std::min(left, slice_ms);
    Event event;
    pensee_error error = PENSEE_ERROR_INIT;
    pensee_status status = PENSEE_OK;
    without_gil([&] {
      const std::lock_guard<std::mutex> lock(owner->mutex);
      pensee_event c = PENSEE_EVENT_INIT;
      status = pensee_stream_next(owner->handle, wait, &c, &error);
      if (status == PENSEE_OK) event.copy(c);
    });
    if (status == PENSEE_NO_MORE_EVENTS) throw py::stop_iteration();
    if (status != PENSEE_TIMEOUT) {
      check(status, error);
      return event_to_python(event);
    }
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (left >= 0) {
      left -= wait;
      if (left == 0) return py::none();
    }
  }
}

void cancel(const Stream& stream) {
  if (const auto owner = stream.owner) without_gil([&] { pensee_stream_cancel(owner->handle); });
}

void end_thought(const Stream& stream) {
  if (const auto owner = stream.owner) without_gil([&] { pensee_stream_end_thought(owner->handle); });
}

// A thread that waits in next() holds a copy: it wakes by the cancel and frees.
void close(Stream& stream) {
  const auto owner = std::move(stream.owner);
  stream.owner = nullptr;
  if (owner) without_gil([&] { pensee_stream_cancel(owner->handle); });
}

}  // namespace

std::shared_ptr<SessionOwner> new_session(const std::shared_ptr<ModelOwner>& model) {
  auto owner = std::make_shared<SessionOwner>();
  owner->model = model;
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  without_gil([&] { status = pensee_session_new(model->handle, &owner->handle, &error); });
  check(status, error);
  return owner;
}

void define_session_maker(py::class_<Model>& model_class) { model_class.def("session", &session_of); }

void define_stream(py::module_& module) {
  py::class_<Options>(module, "Options")
      .def(py::init<>())
      .def_readwrite("max_tokens", &Options::max_tokens)
      .def_readwrite("think_budget", &Options::think_budget)
      .def_readwrite("temperature", &Options::temperature)
      .def_readwrite("top_p", &Options::top_p)
      .def_readwrite("min_p", &Options::min_p)
      .def_readwrite("top_k", &Options::top_k)
      .def_readwrite("seed", &Options::seed)
      .def_readwrite("stop", &Options::stop)
      .def_readwrite("ignore_eos", &Options::ignore_eos)
      .def_readwrite("top_logprobs", &Options::top_logprobs)
      .def_readwrite("effort", &Options::effort);
  py::class_<Prompt>(module, "Prompt")
      .def(py::init<>())
      .def_readwrite("text", &Prompt::text)
      .def_readwrite("system", &Prompt::system)
      .def_readwrite("messages_json", &Prompt::messages_json)
      .def_readwrite("tools_json", &Prompt::tools_json)
      .def_readwrite("ids", &Prompt::ids);
  py::class_<Session>(module, "Session")
      .def("stream", &open_stream, py::arg("prompt"), py::arg("options"))
      .def("cancel",
           [](const Session& session) {
             if (const auto owner = session.owner) without_gil([&] { pensee_session_cancel(owner->handle); });
           })
      .def("close",
           [](Session& session) {
             const auto owner = std::move(session.owner);
             session.owner = nullptr;
           })
      .def_property_readonly("closed", [](const Session& session) { return session.owner == nullptr; });
  py::class_<Stream>(module, "Stream")
      .def("next", &next, py::arg("timeout_ms"))
      .def("cancel", &cancel)
      .def("end_thought", &end_thought)
      .def("close", &close)
      .def_property_readonly("closed", [](const Stream& stream) { return stream.owner == nullptr; });
}

}  // namespace pensee_python
