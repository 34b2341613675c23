// Replies, usage and text of pensee.h as plain Python values, copied while the GIL is held: what they are copied from
// may be freed right after. Arrays travel as bytes, of which Python makes numpy arrays without another copy.
#include <cstring>

#include "support.h"

namespace pensee_python {

namespace {

template <class T>
py::bytes bytes_of(const T* data, size_t count) {
  return py::bytes(reinterpret_cast<const char*>(data), count * sizeof(T));
}

template <class T>
py::tuple tuple_of(const T* data, size_t count) {
  py::tuple out(count);
  for (size_t i = 0; i < count; ++i) out[i] = data[i];
  return out;
}

py::tuple tool_calls_of(const pensee_reply* reply) {
  py::tuple out(pensee_reply_num_tool_calls(reply));
  for (size_t i = 0; i < out.size(); ++i) {
    const pensee_tool_call* call = pensee_reply_tool_call(reply, i);
    out[i] = py::make_tuple(text_to_python(call->id), text_to_python(call->name), text_to_python(call->arguments_json));
  }
  return out;
}

// (positions, num_moe_layers, num_experts_per_tok, ids, weights), or None where experts were not traced.
py::object routing_of(const pensee_reply* reply) {
  pensee_routing c = PENSEE_ROUTING_INIT;
  pensee_error error = PENSEE_ERROR_INIT;
  const pensee_status status = pensee_reply_routing(reply, &c, &error);
  if (status == PENSEE_UNSUPPORTED) return py::none();
  check(status, error);
  const size_t count = static_cast<size_t>(c.positions * c.num_moe_layers * c.num_experts_per_tok);
  return py::make_tuple(c.positions, c.num_moe_layers, c.num_experts_per_tok, bytes_of(c.expert_ids, count),
                        bytes_of(c.expert_weights, count));
}

}  // namespace

py::str text_to_python(const char* data, size_t size) {
  PyObject* decoded = PyUnicode_DecodeUTF8(data, static_cast<Py_ssize_t>(size), "replace");
  if (!decoded) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

py::str text_to_python(const char* text) { return text ? text_to_python(text, std::strlen(text)) : py::str(""); }

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
  d["drafted_tokens"] = c.drafted_tokens;
  d["accepted_tokens"] = c.accepted_tokens;
  d["passes"] = c.passes;
  d["seconds_waiting"] = c.seconds_waiting;
  return d;
}

py::dict reply_to_python(const pensee_reply* reply, bool with_samples) {
  py::dict d;
  size_t count = 0;
  d["thought"] = text_to_python(pensee_reply_thought(reply));
  d["answer"] = text_to_python(pensee_reply_answer(reply));
  d["tool_calls"] = tool_calls_of(reply);
  d["usage"] = usage_to_python(*pensee_reply_usage(reply));
  d["finish_reason"] = pensee_reply_finish_reason(reply);
  const int32_t* ids = pensee_reply_token_ids(reply, &count);
  d["token_ids"] = tuple_of(ids, count);
  const float* logprobs = pensee_reply_logprobs(reply, &count);
  d["logprobs"] = tuple_of(logprobs, count);
  d["message_json"] = text_to_python(pensee_reply_message_json(reply));
  d["routing"] = routing_of(reply);
  py::list samples;
  for (size_t i = 1; with_samples && i < pensee_reply_num_samples(reply); ++i) {
    samples.append(reply_to_python(pensee_reply_sample(reply, i), false));
  }
  d["samples"] = samples;
  return d;
}

}  // namespace pensee_python
