// _pensee.Stream: the pull side of pensee.h, which needs no callback into Python. A stream waits in
// slices of 50 ms with the GIL released and looks for signals between them, so Ctrl-C arrives at once and other Python
// threads run meanwhile.
#include <algorithm>

#include "support.h"

namespace pensee_python {

namespace {

constexpr int64_t slice_ms = 50;

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
  int32_t sample = 0;
  bool forced = false;
  std::vector<int32_t> expert_ids;
  std::vector<float> expert_weights;

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
    sample = c.sample;
    forced = c.forced != 0;
    if (c.expert_ids) expert_ids.assign(c.expert_ids, c.expert_ids + c.num_experts);
    if (c.expert_weights) expert_weights.assign(c.expert_weights, c.expert_weights + c.num_experts);
  }
};

template <class T>
py::object bytes_or_none(const std::vector<T>& data) {
  if (data.empty()) return py::none();
  return py::bytes(reinterpret_cast<const char*>(data.data()), data.size() * sizeof(T));
}

// (kind, finish_reason, text, token_id, logprob, position, ((token_id, logprob), ..), tool call or None, usage or None,
// sample, forced, expert ids or None, expert weights or None)
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
                        event.position, alternatives, tool, usage, event.sample, event.forced,
                        bytes_or_none(event.expert_ids), bytes_or_none(event.expert_weights));
}

Stream open_stream(const Session& session, const Prompt& prompt, const Options& options) {
  auto owner = std::make_shared<StreamOwner>();
  owner->session = session.get();
  owner->draft_model = options.draft_model;
  const pensee_prompt c = view_of(prompt);
  const OptionsView view(options);
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  owner->session->use(
      false, [&] { status = pensee_stream_open(owner->session->handle, &c, &view.c, &owner->handle, &error); });
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

void define_stream(py::module_& module, py::class_<Session>& session) {
  session.def("stream", &open_stream, py::arg("prompt"), py::arg("options"));
  py::class_<Stream>(module, "Stream")
      .def("next", &next, py::arg("timeout_ms"))
      .def("cancel", &cancel)
      .def("end_thought", &end_thought)
      .def("close", &close)
      .def_property_readonly("closed", [](const Stream& stream) { return stream.owner == nullptr; });
}

}  // namespace pensee_python
