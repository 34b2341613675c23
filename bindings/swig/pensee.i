// The low layer of the Java and C# bindings: pensee.h as SWIG shows it to them. It is internal to both; what people use
// is written by hand on top of it (bindings/java, bindings/csharp) and owns handles, threads and lifetimes.
//
//   names     are C's: Native.pensee_tokenize(...), class pensee_options.
//   handles   pensee_model *, pensee_session * ... are numbers: long in Java, IntPtr in C#. A function that makes one
//             returns it; the layer above calls its _free function, once.
//   errors    `pensee_error *error` is gone: a status that is an error arrives as PenseeException(status, message).
//             PENSEE_TIMEOUT and PENSEE_NO_MORE_EVENTS are what pensee_stream_next returns.
//   texts     are String, UTF-8 on the way (not Java's modified kind); Texts of the layer above converts. A text with a
//             length and every array is an array with its count: byte[], int[], float[]. Calls with `capacity` return
//             the count that there is: null and 0 only ask for it. `void *` is a direct ByteBuffer or an IntPtr.
//   structs   `new` fills them by the INIT macro, setters copy, delete() or Dispose() frees the copies. Those that the
//             library fills have getters alone and point into its memory.
//   threads   Streams pull. The progress callback alone calls into the VM, on the thread that waits in the call.
//
// What of pensee.h is not here, the coverage tests of the two bindings list with reasons.
%module(directors="1") Native

%{
#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>
#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

#include "pensee/pensee.h"
%}

%include <stdint.i>
#define __attribute__(x)

// ---- how each shape looks in either language ------------------------------------------------------------------------

// The files define HANDLE(T) for an opaque T; RETURNS_HANDLE(f) and RETURNS_COUNT(f): f's output is its value; and
// PENSEE_THROW(status, message) in C.
#if defined(SWIGJAVA)
%include "java_shapes.i"
#elif defined(SWIGCSHARP)
%include "csharp_shapes.i"
#else
#error "pensee.i: for Java and C#"
#endif

%apply int { pensee_status status };
%typemap(out) pensee_status ""
%typemap(in, numinputs=0) pensee_error *error (pensee_error failure) {
  const pensee_error none = PENSEE_ERROR_INIT;
  failure = none;
  $1 = &failure;
}
%typemap(argout, canthrow=1) pensee_error *error %{
  if (result != PENSEE_OK && result != PENSEE_TIMEOUT && result != PENSEE_NO_MORE_EVENTS) {
    PENSEE_THROW(result, $1->message);
  }
%}
%typemap(in, numinputs=0) size_t * (size_t told) "told = 0; $1 = &told;"
%typemap(argout) size_t * "$result = static_cast<long long>(*$1);"
%typemap(in, numinputs=0) uint64_t *freed (uint64_t told) "told = 0; $1 = &told;"
%typemap(argout) uint64_t *freed "$result = static_cast<long long>(*$1);"

HANDLE(pensee_model)
HANDLE(pensee_session)
HANDLE(pensee_stream)
HANDLE(pensee_reply)
HANDLE(pensee_vote)
RETURNS_HANDLE(pensee_model_open)
RETURNS_HANDLE(pensee_model_open_fd)
RETURNS_HANDLE(pensee_model_open_part)
RETURNS_HANDLE(pensee_model_open_memory)
RETURNS_HANDLE(pensee_session_new)
RETURNS_HANDLE(pensee_session_fork)
RETURNS_HANDLE(pensee_session_restore)
RETURNS_HANDLE(pensee_session_restore_memory)
RETURNS_HANDLE(pensee_stream_open)
RETURNS_HANDLE(pensee_session_ask)
RETURNS_HANDLE(pensee_parse_reply)
RETURNS_HANDLE(pensee_session_vote)
RETURNS_COUNT(pensee_model_trim)
RETURNS_COUNT(pensee_tokenize)
RETURNS_COUNT(pensee_detokenize)
RETURNS_COUNT(pensee_render_prompt)
RETURNS_COUNT(pensee_session_tokens)
RETURNS_COUNT(pensee_session_save_memory)
RETURNS_STATUS(pensee_stream_next)

// ---- what is not taken as it stands ---------------------------------------------------------------------------------

%ignore pensee_error;           // an exception
%ignore pensee_generate;        // push: bindings pull
%ignore pensee_ask;             // the layer above makes the session, to be able to cancel it
%ignore pensee_reply_token_ids; // the next three: copied by functions below
%ignore pensee_reply_logprobs;
%ignore pensee_tensor;
%ignore pensee_model_set_weights; // by pensee_tensors
%ignore pensee_model_save_packed; // pensee_model_save_packed_told
%ignore pensee_model_tune;        // pensee_model_tune_told
%ignore pensee_score_options;   // arguments of pensee_score_traced
%ignore pensee_score;
%ignore pensee_logit_bias;      // a pair of arrays
%ignore pensee_sampling::num_logit_bias;
%ignore pensee_options::num_stop;
%ignore pensee_sampling::num_dry_breakers;
%ignore pensee_sampling::num_order;
%ignore pensee_prompt::num_ids;
%ignore pensee_options::reserved;
%ignore pensee_model_options::log; // on threads of the library: none of them enters the VM
%ignore pensee_model_options::log_user;
%ignore pensee_model_options::low_memory;
%ignore pensee_model_options::low_memory_user;
%ignore pensee_model_options::progress; // set_progress
%ignore pensee_model_options::progress_user;
%ignore pensee_event::text;     // the next four: copied, by their counts
%ignore pensee_event::alternatives;
%ignore pensee_event::expert_ids;
%ignore pensee_event::expert_weights;
%ignore pensee_routing::expert_ids;
%ignore pensee_routing::expert_weights;
%ignore struct_size;            // the INIT macros set it
%rename("$ignore", regextarget=1) "^PENSEE_.*_INIT$";

// ---- structs --------------------------------------------------------------------------------------------------------

%{
namespace {
// Fields that a setter below gave memory to; everything else is NULL from the INIT macro on.
template <class T>
void forget(const T *&field) {
  std::free(const_cast<T *>(field));
  field = NULL;
}

pensee_status no_memory(pensee_error *error) {
  std::strcpy(error->message, "options: no memory for a copy");
  return PENSEE_OUT_OF_MEMORY;
}

// An empty array is not an absent one: it gets an address too.
template <class T>
pensee_status copy(const T *from, size_t count, const T *&field, pensee_error *error) {
  forget(field);
  if (!from) return PENSEE_OK;
  T *made = static_cast<T *>(std::malloc((count ? count : 1) * sizeof(T)));
  if (!made) return no_memory(error);
  if (count) std::memcpy(made, from, count * sizeof(T));
  field = made;
  return PENSEE_OK;
}

pensee_status copy_text(const char *from, const char *&field, pensee_error *error) {
  return copy(from, from ? std::strlen(from) + 1 : 0, field, error);
}

typedef const char *const *TextList;
void forget_list(TextList &field) {
  if (field) std::free(const_cast<char *>(field[0]));
  std::free(const_cast<char **>(const_cast<const char **>(field)));
  field = NULL;
}

// `texts`: each ended by a zero byte. The list's first entry owns the bytes of all.
pensee_status copy_list(const char *texts, size_t length, TextList &field, size_t &count, pensee_error *error) {
  forget_list(field);
  count = 0;
  if (!texts) return PENSEE_OK;
  for (size_t i = 0; i < length; ++i) count += texts[i] == '\0' ? 1 : 0;
  const char **list = static_cast<const char **>(std::calloc(count + 1, sizeof(char *)));
  char *bytes = static_cast<char *>(std::malloc(length + 1));
  if (!list || !bytes) {
    std::free(list);
    std::free(bytes);
    count = 0;
    return no_memory(error);
  }
  std::memcpy(bytes, texts, length);
  bytes[length] = '\0';
  list[0] = bytes;
  for (size_t i = 1, at = 0; i < count; ++i) list[i] = bytes + (at += std::strlen(bytes + at) + 1);
  field = list;
  return PENSEE_OK;
}

template <class T>
long long give(const T *from, size_t count, T *to, size_t capacity) {
  if (from && to) std::memcpy(to, from, (count < capacity ? count : capacity) * sizeof(T));
  return from ? static_cast<long long>(count) : 0;
}

template <class T>
T *made(const T &init) {
  T *out = static_cast<T *>(std::malloc(sizeof(T)));
  if (out) *out = init;
  return out;
}
}  // namespace
%}

%define TEXT_FIELD(STRUCT, FIELD)
%ignore STRUCT::FIELD;
%extend STRUCT {
  pensee_status set_##FIELD(const char *utf8, pensee_error *error) { return copy_text(utf8, $self->FIELD, error); }
}
%enddef

%define STRUCT(NAME, INIT, FORGET)
%extend NAME {
  NAME() {
    const NAME init = INIT;
    return made(init);
  }
  ~NAME() {
    FORGET
    std::free($self);
  }
}
%enddef

%feature("director") pensee_progress;
%inline %{
// Told how far a call is, from 0 to 1, on the thread that waits in it; non-zero cancels the call.
class pensee_progress {
 public:
  virtual ~pensee_progress() {}
  virtual int at(float fraction) = 0;
};
%}
%{
namespace {
int on_progress(void *user, float fraction) { return static_cast<pensee_progress *>(user)->at(fraction); }
}  // namespace
%}

STRUCT(pensee_model_options, PENSEE_MODEL_OPTIONS_INIT, forget($self->isa); forget($self->tuning_file);)
TEXT_FIELD(pensee_model_options, isa)
TEXT_FIELD(pensee_model_options, tuning_file)
%extend pensee_model_options {
  // Must outlive the call that opens the model.
  void set_progress(pensee_progress *progress) {
    $self->progress = progress ? on_progress : NULL;
    $self->progress_user = progress;
  }
}

STRUCT(pensee_prompt, PENSEE_PROMPT_INIT,
       forget($self->text); forget($self->system); forget($self->messages_json); forget($self->tools_json);
       forget($self->ids);)
TEXT_FIELD(pensee_prompt, text)
TEXT_FIELD(pensee_prompt, system)
TEXT_FIELD(pensee_prompt, messages_json)
TEXT_FIELD(pensee_prompt, tools_json)
%ignore pensee_prompt::ids;
%extend pensee_prompt {
  pensee_status set_ids(const int32_t *ids, size_t count, pensee_error *error) {
    $self->num_ids = 0;
    const pensee_status status = copy(ids, count, $self->ids, error);
    if (status == PENSEE_OK) $self->num_ids = ids ? count : 0;
    return status;
  }
}

STRUCT(pensee_sampling, PENSEE_SAMPLING_INIT,
       forget_list($self->dry_breakers); forget($self->logit_bias); forget($self->order);)
%ignore pensee_sampling::dry_breakers;
%ignore pensee_sampling::logit_bias;
%ignore pensee_sampling::order;
%extend pensee_sampling {
  // Each text is ended by a zero byte.
  pensee_status set_dry_breakers(const char *text, size_t length, pensee_error *error) {
    return copy_list(text, length, $self->dry_breakers, $self->num_dry_breakers, error);
  }
  pensee_status set_logit_bias(const int32_t *ids, const float *biases, size_t count, pensee_error *error) {
    forget($self->logit_bias);
    $self->num_logit_bias = 0;
    if (count == 0) return PENSEE_OK;
    pensee_logit_bias *rows = static_cast<pensee_logit_bias *>(std::calloc(count, sizeof(pensee_logit_bias)));
    if (!rows) return no_memory(error);
    for (size_t i = 0; i < count; ++i) {
      rows[i].token_id = ids[i];
      rows[i].bias = biases[i];
    }
    $self->logit_bias = rows;
    $self->num_logit_bias = count;
    return PENSEE_OK;
  }
  pensee_status set_order(const int32_t *order, size_t count, pensee_error *error) {
    $self->num_order = 0;
    const pensee_status status = copy(order, count, $self->order, error);
    if (status == PENSEE_OK) $self->num_order = order ? count : 0;
    return status;
  }
}

// sampling and answer_sampling point at structs that must outlive the call.
STRUCT(pensee_options, PENSEE_OPTIONS_INIT,
       forget_list($self->stop); forget($self->thought_prefix); forget($self->answer_prefix);
       forget($self->budget_text); forget($self->json_schema); forget($self->regex); forget($self->grammar);)
%ignore pensee_options::stop;
TEXT_FIELD(pensee_options, thought_prefix)
TEXT_FIELD(pensee_options, answer_prefix)
TEXT_FIELD(pensee_options, budget_text)
TEXT_FIELD(pensee_options, json_schema)
TEXT_FIELD(pensee_options, regex)
TEXT_FIELD(pensee_options, grammar)
%extend pensee_options {
  // Each text is ended by a zero byte.
  pensee_status set_stop(const char *text, size_t length, pensee_error *error) {
    return copy_list(text, length, $self->stop, $self->num_stop, error);
  }
}

STRUCT(pensee_vote_options, PENSEE_VOTE_OPTIONS_INIT, )

%immutable pensee_model_info::architecture;
%immutable pensee_model_info::name;
%immutable pensee_model_info::quantization;
%immutable pensee_model_info::backend;
%immutable pensee_model_info::isa;
%immutable pensee_model_info::tool_format;
STRUCT(pensee_model_info, PENSEE_MODEL_INFO_INIT, )

%immutable pensee_event::tool_call_id;
%immutable pensee_event::tool_name;
%immutable pensee_event::tool_arguments_json;
%immutable pensee_event::usage;
STRUCT(pensee_event, PENSEE_EVENT_INIT, )
%extend pensee_event {
  long long copy_text(char *text, size_t capacity) const {
    return give($self->text, $self->text_length, text, capacity);
  }
  long long copy_alternatives(int32_t *ids, float *logprobs, size_t capacity) const {
    for (size_t i = 0; i < $self->num_alternatives && i < capacity; ++i) {
      ids[i] = $self->alternatives[i].token_id;
      logprobs[i] = $self->alternatives[i].logprob;
    }
    return static_cast<long long>($self->num_alternatives);
  }
  long long copy_expert_ids(int32_t *ids, size_t capacity) const {
    return give($self->expert_ids, $self->num_experts, ids, capacity);
  }
  long long copy_expert_weights(float *weights, size_t capacity) const {
    return give($self->expert_weights, $self->num_experts, weights, capacity);
  }
}

STRUCT(pensee_memory, PENSEE_MEMORY_INIT, )
STRUCT(pensee_routing, PENSEE_ROUTING_INIT, )
%extend pensee_routing {
  long long copy_expert_ids(int32_t *ids, size_t capacity) const {
    return give($self->expert_ids, $self->positions * $self->num_moe_layers * $self->num_experts_per_tok, ids,
                capacity);
  }
  long long copy_expert_weights(float *weights, size_t capacity) const {
    return give($self->expert_weights, $self->positions * $self->num_moe_layers * $self->num_experts_per_tok, weights,
                capacity);
  }
}

%nodefaultctor pensee_usage;
%nodefaultdtor pensee_usage;
%ignore pensee_alternative;
%nodefaultctor pensee_tool_call;
%nodefaultdtor pensee_tool_call;
%immutable pensee_tool_call::id;
%immutable pensee_tool_call::name;
%immutable pensee_tool_call::arguments_json;
%nodefaultctor pensee_vote_answer;
%nodefaultdtor pensee_vote_answer;
%immutable pensee_vote_answer::answer;

%include "pensee/pensee.h"

// ---- what takes or gives arrays in another way ----------------------------------------------------------------------

%inline %{
// Weights for pensee_model_set_weights. Names and shapes are copied; `data` must outlive set_weights.
class pensee_tensors {
 public:
  ~pensee_tensors() {
    for (const pensee_tensor &row : rows_) std::free(const_cast<int64_t *>(row.shape));
  }
  pensee_status add(const char *utf8, int dtype, const int64_t *shape, int num_dims, const void *data,
                    pensee_error *error) {
    const size_t name_bytes = std::strlen(utf8) + 1, shape_bytes = num_dims * sizeof(int64_t);
    char *bytes = static_cast<char *>(std::malloc(shape_bytes + name_bytes));
    if (!bytes) return no_memory(error);
    std::memcpy(bytes, shape, shape_bytes);
    std::memcpy(bytes + shape_bytes, utf8, name_bytes);
    pensee_tensor tensor = {bytes + shape_bytes, dtype, num_dims, reinterpret_cast<int64_t *>(bytes), data};
    try {
      rows_.push_back(tensor);
    } catch (const std::bad_alloc &) {
      std::free(bytes);
      return no_memory(error);
    }
    return PENSEE_OK;
  }
  pensee_status set_weights(pensee_model *model, pensee_error *error) const {
    return pensee_model_set_weights(model, rows_.data(), rows_.size(), error);
  }

 private:
  std::vector<pensee_tensor> rows_;
};

// pensee_score. The three expert arrays and `progress` may be null.
pensee_status pensee_score_traced(const pensee_model *model, const int32_t *ids, size_t count,
                                  const int32_t *expert_ids, int32_t *expert_ids_out, float *expert_weights_out,
                                  pensee_progress *progress, float *logprobs, pensee_error *error) {
  pensee_score_options options = PENSEE_SCORE_OPTIONS_INIT;
  options.expert_ids = expert_ids;
  options.expert_ids_out = expert_ids_out;
  options.expert_weights_out = expert_weights_out;
  options.progress = progress ? on_progress : NULL;
  options.progress_user = progress;
  return pensee_score(model, ids, count, &options, logprobs, error);
}

// pensee_model_save_packed. `progress` may be null.
pensee_status pensee_model_save_packed_told(const pensee_model *model, const char *path, pensee_progress *progress,
                                            pensee_error *error) {
  return pensee_model_save_packed(model, path, progress ? on_progress : NULL, progress, error);
}

// pensee_model_tune, likewise.
pensee_status pensee_model_tune_told(const pensee_model *model, const char *path, pensee_progress *progress,
                                     pensee_error *error) {
  return pensee_model_tune(model, path, progress ? on_progress : NULL, progress, error);
}

// pensee_model_open_fd of a file that is opened here: VMs are loath to tell a descriptor.
pensee_status pensee_model_open_part(const char *path, uint64_t offset, uint64_t length,
                                     const pensee_model_options *options, pensee_model **model, pensee_error *error) {
#if defined(_WIN32)
  const int fd = _open(path, _O_RDONLY | _O_BINARY);
#else
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
#endif
  if (fd < 0) {
    std::snprintf(error->message, sizeof error->message, "%.400s: cannot be opened: %.80s", path, std::strerror(errno));
    return errno == ENOENT ? PENSEE_FILE_NOT_FOUND : PENSEE_FILE_IO;
  }
  const pensee_status status = pensee_model_open_fd(fd, offset, length, options, model, error);
#if defined(_WIN32)
  _close(fd);
#else
  close(fd);
#endif
  return status;
}

long long pensee_reply_copy_token_ids(const pensee_reply *reply, int32_t *ids, size_t capacity) {
  size_t count = 0;
  const int32_t *from = pensee_reply_token_ids(reply, &count);
  return give(from, count, ids, capacity);
}

long long pensee_reply_copy_logprobs(const pensee_reply *reply, float *logprobs, size_t capacity) {
  size_t count = 0;
  const float *from = pensee_reply_logprobs(reply, &count);
  return give(from, count, logprobs, capacity);
}
%}
