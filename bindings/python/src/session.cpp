// _pensee.Session: asking and voting (which wait, with the GIL released, until another thread cancels), and what a
// session knows: forked, cut back, told as tokens, saved to a file or to bytes, and restored by _pensee.Model.
#include "support.h"

namespace pensee_python {

namespace {

using Reply = std::unique_ptr<pensee_reply, decltype(&pensee_reply_free)>;
using Vote = std::unique_ptr<pensee_vote, decltype(&pensee_vote_free)>;

// `make(&handle, &error)` makes a session of `model`, without the GIL.
template <class Make>
Session make_session(const std::shared_ptr<ModelOwner>& model, Make make) {
  auto owner = std::make_shared<SessionOwner>();
  owner->model = model;
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  without_gil([&] { status = make(&owner->handle, &error); });
  check(status, error);
  return Session{owner};
}

Session new_session(const Model& model) {
  const auto owner = model.get();
  return make_session(
      owner, [&](pensee_session** out, pensee_error* error) { return pensee_session_new(owner->handle, out, error); });
}

Session restore(const Model& model, const std::string& path) {
  const auto owner = model.get();
  return make_session(owner, [&](pensee_session** out, pensee_error* error) {
    return pensee_session_restore(owner->handle, path.c_str(), out, error);
  });
}

Session restore_memory(const Model& model, const py::object& data) {
  const auto owner = model.get();
  Py_buffer buffer;
  if (PyObject_GetBuffer(data.ptr(), &buffer, PyBUF_SIMPLE) != 0) throw py::error_already_set();
  const std::unique_ptr<Py_buffer, decltype(&PyBuffer_Release)> release(&buffer, PyBuffer_Release);
  return make_session(owner, [&](pensee_session** out, pensee_error* error) {
    return pensee_session_restore_memory(owner->handle, buffer.buf, static_cast<size_t>(buffer.len), out, error);
  });
}

// `call(handle, &error)` takes its turn on the session.
template <class Call>
void use(SessionOwner& owner, bool is_long, Call call) {
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  owner.use(is_long, [&] { status = call(owner.handle, &error); });
  check(status, error);
}

Session fork_session(const Session& session) {
  const auto owner = session.get();
  auto copy = std::make_shared<SessionOwner>();
  copy->model = owner->model;
  use(*owner, false, [&](pensee_session* s, pensee_error* e) { return pensee_session_fork(s, &copy->handle, e); });
  return Session{copy};
}

void rewind_session(const Session& session, size_t tokens) {
  use(*session.get(), false, [&](pensee_session* s, pensee_error* e) { return pensee_session_rewind(s, tokens, e); });
}

std::vector<int32_t> tokens(const Session& session) {
  const auto owner = session.get();
  return fill_twice<int32_t>(256, [&](int32_t* ids, size_t capacity, size_t* count) {
    use(*owner, false,
        [&](pensee_session* s, pensee_error* e) { return pensee_session_tokens(s, ids, capacity, count, e); });
  });
}

void save(const Session& session, const std::string& path) {
  use(*session.get(), false,
      [&](pensee_session* s, pensee_error* e) { return pensee_session_save(s, path.c_str(), e); });
}

py::bytes save_memory(const Session& session) {
  const auto owner = session.get();
  size_t size = 0;
  for (;;) {
    const size_t capacity = size;
    PyObject* raw = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(capacity));
    if (!raw) throw py::error_already_set();
    auto out = py::reinterpret_steal<py::bytes>(raw);
    void* data = PyBytes_AS_STRING(raw);
    use(*owner, false,
        [&](pensee_session* s, pensee_error* e) { return pensee_session_save_memory(s, data, capacity, &size, e); });
    if (size == capacity) return out;
  }
}

py::dict ask(const Session& session, const Prompt& prompt, const Options& options) {
  const auto owner = session.get();
  const pensee_prompt c = view_of(prompt);
  const OptionsView view(options);
  pensee_reply* raw = nullptr;
  use(*owner, true, [&](pensee_session* s, pensee_error* e) { return pensee_session_ask(s, &c, &view.c, &raw, e); });
  const Reply reply(raw, &pensee_reply_free);
  return reply_to_python(raw, true);
}

// ([(answer, votes, weight, reply)], [reply])
py::tuple vote(const Session& session, const Prompt& prompt, const Options& options, int32_t n, int32_t weighting,
               bool all, int32_t at_once) {
  const auto owner = session.get();
  const pensee_prompt c = view_of(prompt);
  const OptionsView view(options);
  pensee_vote_options vote_options = PENSEE_VOTE_OPTIONS_INIT;
  vote_options.n = n;
  vote_options.weighting = weighting;
  vote_options.all = all;
  vote_options.at_once = at_once;
  pensee_vote* raw = nullptr;
  use(*owner, true,
      [&](pensee_session* s, pensee_error* e) { return pensee_session_vote(s, &c, &view.c, &vote_options, &raw, e); });
  const Vote owned(raw, &pensee_vote_free);
  py::list answers, replies;
  for (size_t i = 0; i < pensee_vote_num_answers(raw); ++i) {
    const pensee_vote_answer* answer = pensee_vote_get_answer(raw, i);
    answers.append(py::make_tuple(text_to_python(answer->answer), answer->votes, answer->weight, answer->reply));
  }
  for (size_t i = 0; i < pensee_vote_num_replies(raw); ++i) {
    replies.append(reply_to_python(pensee_vote_get_reply(raw, i), false));
  }
  return py::make_tuple(answers, replies);
}

void cancel(const Session& session) {
  if (const auto owner = session.owner) without_gil([&] { pensee_session_cancel(owner->handle); });
}

void end_thought(const Session& session) {
  if (const auto owner = session.owner) without_gil([&] { pensee_session_end_thought(owner->handle); });
}

void close(Session& session) {
  const auto owner = std::move(session.owner);
  session.owner = nullptr;
}

}  // namespace

void define_session(py::module_& module, py::class_<Model>& model) {
  py::class_<Session> session(module, "Session");
  session.def("ask", &ask, py::arg("prompt"), py::arg("options"))
      .def("vote", &vote, py::arg("prompt"), py::arg("options"), py::arg("n"), py::arg("weighting"), py::arg("all"),
           py::arg("at_once"))
      .def("fork", &fork_session)
      .def("rewind", &rewind_session, py::arg("tokens"))
      .def("tokens", &tokens)
      .def("save", &save, py::arg("path"))
      .def("save_memory", &save_memory)
      .def("cancel", &cancel)
      .def("end_thought", &end_thought)
      .def("close", &close)
      .def_property_readonly("closed", [](const Session& s) { return s.owner == nullptr; });
  model.def("session", &new_session)
      .def("restore", &restore, py::arg("path"))
      .def("restore_memory", &restore_memory, py::arg("data"));
  define_stream(module, session);
}

}  // namespace pensee_python
