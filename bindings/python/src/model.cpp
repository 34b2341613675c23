// _pensee.Model: opening (path, descriptor, memory), facts, tokens, scores, weights and rendered prompts. Every call
// copies the owner, releases the GIL and lets the library work; any number of Python threads may use one model at once.
#include <pybind11/pytypes.h>

#include <cstring>
#include <exception>
#include <tuple>

#include "support.h"

namespace pensee_python {

namespace {

void on_log(void* user, int32_t level, const char* text) {
  if (callbacks_stopped()) return;
  py::gil_scoped_acquire gil;
  try {
    static_cast<Callback*>(user)->function()(level, py::reinterpret_steal<py::str>(PyUnicode_DecodeUTF8(
                                                        text, static_cast<Py_ssize_t>(strlen(text)), "replace")));
  } catch (py::error_already_set& error) {
    error.discard_as_unraisable("pensee: the log callback");
  }
}

int on_low_memory(void* user, uint64_t bytes) {
  if (callbacks_stopped()) return 0;
  py::gil_scoped_acquire gil;
  try {
    return static_cast<Callback*>(user)->function()(bytes).ptr() == Py_True ? 1 : 0;
  } catch (py::error_already_set& error) {
    error.discard_as_unraisable("pensee: the low_memory callback");
    return 0;
  }
}

struct Buffer {
  explicit Buffer(const py::handle& object) {
    if (PyObject_GetBuffer(object.ptr(), &view, PyBUF_SIMPLE) != 0) throw py::error_already_set();
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { PyBuffer_Release(&view); }
  Py_buffer view;
};

// `open` is called without the GIL: (options, &handle, &error) -> status.
template <class Open>
Model open_model(const ModelOptions& options, Open open) {
  auto owner = std::make_shared<ModelOwner>();
  ProgressState progress{&options.progress, nullptr};
  pensee_model_options c = options;
  c.isa = options.isa ? options.isa->c_str() : nullptr;
  c.tuning_file = options.tuning_file ? options.tuning_file->c_str() : nullptr;
  c.progress = on_progress;
  c.progress_user = &progress;
  if (!options.log.is_none()) {
    owner->log = std::make_unique<Callback>(options.log);
    c.log = on_log;
    c.log_user = owner->log.get();
  }
  if (!options.low_memory.is_none()) {
    owner->low_memory = std::make_unique<Callback>(options.low_memory);
    c.low_memory = on_low_memory;
    c.low_memory_user = owner->low_memory.get();
  }
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  without_gil([&] { status = open(&c, &owner->handle, &error); });
  if (progress.raised) std::rethrow_exception(progress.raised);
  check(status, error);
  return Model{owner};
}

Model open_path(const std::optional<std::string>& path, const ModelOptions& options) {
  if (path && path->find('\0') != std::string::npos) bad_argument("the path holds a zero byte");
  return open_model(options, [&](const pensee_model_options* c, pensee_model** model, pensee_error* error) {
    return pensee_model_open(path ? path->c_str() : nullptr, c, model, error);
  });
}

Model open_fd(int fd, uint64_t offset, uint64_t length, const ModelOptions& options) {
  return open_model(options, [&](const pensee_model_options* c, pensee_model** model, pensee_error* error) {
    return pensee_model_open_fd(fd, offset, length, c, model, error);
  });
}

Model open_memory(const py::object& data, const ModelOptions& options) {
  const Buffer buffer(data);
  return open_model(options, [&](const pensee_model_options* c, pensee_model** model, pensee_error* error) {
    return pensee_model_open_memory(buffer.view.buf, static_cast<size_t>(buffer.view.len), c, model, error);
  });
}

pensee_model_info facts_of(const ModelOwner& owner) {
  pensee_model_info facts = PENSEE_MODEL_INFO_INIT;
  pensee_error error = PENSEE_ERROR_INIT;
  check(pensee_model_get_info(owner.handle, &facts, &error), error);
  return facts;
}

py::dict info(const Model& model) {
  const auto owner = model.get();
  const pensee_model_info c = facts_of(*owner);
  const auto text = [](const char* value) { return text_to_python(value); };
  const auto id = [](int32_t value) { return value < 0 ? py::object(py::none()) : py::object(py::int_(value)); };
  py::dict d;
  d["architecture"] = text(c.architecture);
  d["name"] = text(c.name);
  d["quantization"] = text(c.quantization);
  d["backend"] = text(c.backend);
  d["isa"] = text(c.isa);
  d["parameters_total"] = c.parameters_total;
  d["parameters_active"] = c.parameters_active;
  d["num_hidden_layers"] = c.num_hidden_layers;
  d["hidden_size"] = c.hidden_size;
  d["vocab_size"] = c.vocab_size;
  d["context_max"] = c.context_max;
  d["n_routed_experts"] = c.n_routed_experts;
  d["num_experts_per_tok"] = c.num_experts_per_tok;
  d["n_shared_experts"] = c.n_shared_experts;
  d["cache_bytes_per_token"] = c.cache_bytes_per_token;
  d["weight_bytes"] = c.weight_bytes;
  d["active_weight_bytes"] = c.active_weight_bytes;
  d["memory_bytes"] = c.memory_bytes;
  d["load_seconds"] = c.load_seconds;
  d["threads"] = c.threads;
  d["has_chat_template"] = c.has_chat_template != 0;
  d["thinks"] = c.thinks != 0;
  d["bos_token_id"] = id(c.bos_token_id);
  d["eos_token_id"] = id(c.eos_token_id);
  d["num_mtp_layers"] = c.num_mtp_layers;
  d["num_moe_layers"] = c.num_moe_layers;
  d["tool_format"] = text(c.tool_format);
  return d;
}

std::vector<int32_t> tokenize(const Model& model, const std::string& text, uint32_t flags) {
  const auto owner = model.get();
  return fill_twice<int32_t>(text.size() / 2 + 8, [&](int32_t* ids, size_t capacity, size_t* count) {
    pensee_error error = PENSEE_ERROR_INIT;
    check(pensee_tokenize(owner->handle, text.data(), text.size(), flags, ids, capacity, count, &error), error);
  });
}

py::bytes detokenize(const Model& model, const std::vector<int32_t>& ids, uint32_t flags) {
  const auto owner = model.get();
  const auto out = fill_twice<char>(ids.size() * 8 + 16, [&](char* text, size_t capacity, size_t* length) {
    pensee_error error = PENSEE_ERROR_INIT;
    check(pensee_detokenize(owner->handle, ids.data(), ids.size(), flags, text, capacity, length, &error), error);
  });
  return py::bytes(out.data(), out.size());
}

py::bytes render(const Model& model, const Prompt& prompt, const Options& options) {
  const auto owner = model.get();
  const pensee_prompt c = view_of(prompt);
  const OptionsView view(options);
  const auto out = fill_twice<char>(4096, [&](char* text, size_t capacity, size_t* length) {
    pensee_error error = PENSEE_ERROR_INIT;
    check(pensee_render_prompt(owner->handle, &c, &view.c, text, capacity, length, &error), error);
  });
  return py::bytes(out.data(), out.size());
}

// The memory of a C-contiguous writable buffer of `count` items of T: the caller's numpy array.
template <class T>
T* memory_of(const py::buffer& array, size_t count, const char* name) {
  const py::buffer_info buffer = array.request(true);
  if (buffer.itemsize != sizeof(T) || buffer.size < 0 || static_cast<size_t>(buffer.size) != count) {
    bad_argument(std::string(name) + ": has room for " + std::to_string(buffer.size) + " numbers, not for " +
                 std::to_string(count));
  }
  return static_cast<T*>(buffer.ptr);
}

// `call(data, &error)` fills `out` with `floats` numbers.
template <class Score>
void fill_scores(const py::buffer& out, size_t floats, Score call) {
  float* data = memory_of<float>(out, floats, "out");
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  without_gil([&] { status = call(data, &error); });
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  check(status, error);
}

void logits(const Model& model, const std::vector<int32_t>& ids, const py::buffer& out) {
  const auto owner = model.get();
  fill_scores(out, ids.size() * static_cast<size_t>(facts_of(*owner).vocab_size), [&](float* data, pensee_error* e) {
    return pensee_logits(owner->handle, ids.data(), ids.size(), data, e);
  });
}

void logprobs(const Model& model, const std::vector<int32_t>& ids, const py::buffer& out) {
  const auto owner = model.get();
  fill_scores(out, ids.size(), [&](float* data, pensee_error* e) {
    return pensee_logprobs(owner->handle, ids.data(), ids.size(), data, e);
  });
}

// expert_ids, expert_ids_out, expert_weights_out: None, or [ids, num_moe_layers, num_experts_per_tok].
void score(const Model& model, const std::vector<int32_t>& ids, const std::optional<py::buffer>& expert_ids,
           const py::buffer& out, const std::optional<py::buffer>& expert_ids_out,
           const std::optional<py::buffer>& expert_weights_out, const py::object& progress) {
  const auto owner = model.get();
  const pensee_model_info facts = facts_of(*owner);
  const size_t choices = ids.size() * static_cast<size_t>(facts.num_moe_layers * facts.num_experts_per_tok);
  ProgressState state{&progress, nullptr};
  pensee_score_options options = PENSEE_SCORE_OPTIONS_INIT;
  if (expert_ids) options.expert_ids = memory_of<int32_t>(*expert_ids, choices, "expert_ids");
  if (expert_ids_out) options.expert_ids_out = memory_of<int32_t>(*expert_ids_out, choices, "expert_ids_out");
  if (expert_weights_out) {
    options.expert_weights_out = memory_of<float>(*expert_weights_out, choices, "expert_weights_out");
  }
  options.progress = on_progress;
  options.progress_user = &state;
  float* data = memory_of<float>(out, ids.size(), "out");
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  without_gil([&] { status = pensee_score(owner->handle, ids.data(), ids.size(), &options, data, &error); });
  if (state.raised) std::rethrow_exception(state.raised);
  check(status, error);
}

// (name, dtype, shape, data): data is any contiguous buffer, read during the call only.
using TensorRow = std::tuple<std::string, int32_t, std::vector<int64_t>, py::object>;

void set_weights(const Model& model, const std::vector<TensorRow>& rows) {
  const auto owner = model.get();
  std::vector<std::unique_ptr<Buffer>> buffers;
  std::vector<pensee_tensor> tensors;
  for (const auto& [name, dtype, shape, data] : rows) {
    buffers.push_back(std::make_unique<Buffer>(data));
    int64_t bytes = dtype == PENSEE_DTYPE_F32 ? 4 : 2;
    for (const int64_t size : shape) bytes *= size;
    if (buffers.back()->view.len != bytes) bad_argument(name + ": the buffer's size is not that of its shape");
    if (name.find('\0') != std::string::npos) bad_argument("a tensor's name holds a zero byte");
    tensors.push_back(
        {name.c_str(), dtype, static_cast<int32_t>(shape.size()), shape.data(), buffers.back()->view.buf});
  }
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  without_gil([&] {
    const std::lock_guard<std::mutex> lock(owner->mutex);
    status = pensee_model_set_weights(owner->handle, tensors.data(), tensors.size(), &error);
  });
  check(status, error);
}

py::dict parse_reply(const Model& model, const std::string& text, uint32_t flags) {
  const auto owner = model.get();
  pensee_reply* reply = nullptr;
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  without_gil([&] { status = pensee_parse_reply(owner->handle, text.data(), text.size(), flags, &reply, &error); });
  check(status, error);
  const std::unique_ptr<pensee_reply, decltype(&pensee_reply_free)> release(reply, &pensee_reply_free);
  return reply_to_python(reply, false);
}

void pause(const Model& model) { pensee_model_pause(model.get()->handle); }

void resume(const Model& model) { pensee_model_resume(model.get()->handle); }

uint64_t trim(const Model& model, int32_t level) {
  const auto owner = model.get();
  uint64_t freed = 0;
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  without_gil([&] { status = pensee_model_trim(owner->handle, level, &freed, &error); });
  check(status, error);
  return freed;
}

void set_threads(const Model& model, int32_t threads) {
  pensee_error error = PENSEE_ERROR_INIT;
  check(pensee_model_set_threads(model.get()->handle, threads, &error), error);
}

py::dict memory(const Model& model) {
  pensee_memory c = PENSEE_MEMORY_INIT;
  pensee_error error = PENSEE_ERROR_INIT;
  check(pensee_model_get_memory(model.get()->handle, &c, &error), error);
  py::dict d;
  d["budget"] = c.budget;
  d["used"] = c.used;
  d["weights"] = c.weights;
  d["prefix_cache"] = c.prefix_cache;
  d["scratch"] = c.scratch;
  d["mapped"] = c.mapped;
  return d;
}

// pensee_model_save_packed or pensee_model_tune.
template <auto write>
void write_file(const Model& model, const std::string& path, const py::object& progress) {
  const auto owner = model.get();
  ProgressState state{&progress, nullptr};
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  without_gil([&] { status = write(owner->handle, path.c_str(), on_progress, &state, &error); });
  if (state.raised) std::rethrow_exception(state.raised);
  check(status, error);
}

void close(Model& model) {
  const auto owner = std::move(model.owner);
  model.owner = nullptr;
}

}  // namespace

void define_model(py::module_& module) {
  py::class_<Model> model(module, "Model");
  model.def_static("open", &open_path, py::arg("path"), py::arg("options"))
      .def_static("open_fd", &open_fd, py::arg("fd"), py::arg("offset"), py::arg("length"), py::arg("options"))
      .def_static("open_memory", &open_memory, py::arg("data"), py::arg("options"))
      .def("close", &close)
      .def_property_readonly("closed", [](const Model& m) { return m.owner == nullptr; })
      .def("info", &info)
      .def("tokenize", &tokenize, py::arg("text"), py::arg("flags"))
      .def("detokenize", &detokenize, py::arg("ids"), py::arg("flags"))
      .def("logits", &logits, py::arg("ids"), py::arg("out"))
      .def("logprobs", &logprobs, py::arg("ids"), py::arg("out"))
      .def("score", &score, py::arg("ids"), py::arg("expert_ids"), py::arg("out"), py::arg("expert_ids_out"),
           py::arg("expert_weights_out"), py::arg("progress"))
      .def("pause", &pause)
      .def("resume", &resume)
      .def("trim", &trim, py::arg("level"))
      .def("set_threads", &set_threads, py::arg("threads"))
      .def("memory", &memory)
      .def("set_weights", &set_weights, py::arg("tensors"))
      .def("save_packed", &write_file<pensee_model_save_packed>, py::arg("path"), py::arg("progress"))
      .def("tune", &write_file<pensee_model_tune>, py::arg("path"), py::arg("progress"))
      .def("parse_reply", &parse_reply, py::arg("text"), py::arg("flags"))
      .def("render", &render, py::arg("prompt"), py::arg("options"));
  define_session(module, model);
}

}  // namespace pensee_python
