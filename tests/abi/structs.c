/* P6: the library reads and writes as much of a struct as both sides know. A caller of tomorrow hands in longer
 * structs: fine while the rest is zero. A caller of yesterday hands in shorter ones: what is missing means "as before",
 * and no byte behind is read or written. */
#include <stddef.h>
#include <stdio.h>

#include "abi.h"

static void longer_model_options(void) {
  struct {
    pensee_model_options known;
    char tail[24];
  } longer = {PENSEE_MODEL_OPTIONS_INIT, {0}};
  pensee_model* model = NULL;
  pensee_error err;
  longer.known.struct_size = sizeof longer;
  EXPECT(PENSEE_OK, err, pensee_model_open(abi_path(ABI_GGUF), &longer.known, &model, &err));
  pensee_model_free(model);
  model = NULL;
  longer.tail[23] = 1;
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_model_open(abi_path(ABI_GGUF), &longer.known, &model, &err));
  CHECK(model == NULL);
}

static void longer_prompt_and_options(void) {
  struct {
    pensee_prompt known;
    char tail[16];
  } prompt = {PENSEE_PROMPT_INIT, {0}};
  struct {
    pensee_options known;
    char tail[16];
  } options = {PENSEE_OPTIONS_INIT, {0}};
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_session* session = abi_session(model);
  pensee_reply* reply = NULL;
  pensee_stream* stream = NULL;
  pensee_error err;
  prompt.known = abi_prompt();
  options.known = abi_greedy(3);
  prompt.known.struct_size = sizeof prompt;
  options.known.struct_size = sizeof options;
  EXPECT(PENSEE_OK, err, pensee_session_ask(session, &prompt.known, &options.known, &reply, &err));
  pensee_reply_free(reply);
  reply = NULL;
  prompt.tail[0] = 1;
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_session_ask(session, &prompt.known, &options.known, &reply, &err));
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_stream_open(session, &prompt.known, &options.known, &stream, &err));
  prompt.tail[0] = 0;
  options.tail[15] = 1;
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_session_ask(session, &prompt.known, &options.known, &reply, &err));
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_stream_open(session, &prompt.known, &options.known, &stream, &err));
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_ask(model, "a", &options.known, &reply, &err));
  CHECK(reply == NULL && stream == NULL);
  pensee_session_free(session);
  pensee_model_free(model);
}

static void longer_outputs(void) {
  struct {
    pensee_model_info known;
    char tail[16];
  } info = {PENSEE_MODEL_INFO_INIT, {0}};
  struct {
    pensee_event known;
    char tail[16];
  } event = {PENSEE_EVENT_INIT, {0}};
  struct {
    pensee_error known;
    char tail[16];
  } longer = {PENSEE_ERROR_INIT, {0}};
  const pensee_prompt prompt = abi_prompt();
  const pensee_options options = abi_greedy(3);
  static const char zero[16] = {0};
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_session* session = abi_session(model);
  pensee_stream* stream = NULL;
  pensee_error err;
  info.known.struct_size = sizeof info;
  event.known.struct_size = sizeof event;
  longer.known.struct_size = sizeof longer;
  EXPECT(PENSEE_OK, err, pensee_model_get_info(model, &info.known, &err));
  CHECK(info.known.struct_size == sizeof info && strcmp(info.known.architecture, "qwen2") == 0);
  EXPECT(PENSEE_OK, err, pensee_stream_open(session, &prompt, &options, &stream, &err));
  EXPECT(PENSEE_OK, err, pensee_stream_next(stream, -1, &event.known, &err));
  CHECK(event.known.struct_size == sizeof event && event.known.token_id >= 0);
  CHECK(pensee_session_new(NULL, &session, &longer.known) == PENSEE_BAD_ARGUMENT);
  CHECK(longer.known.status == PENSEE_BAD_ARGUMENT && longer.known.message[0] != '\0');
  CHECK(memcmp(info.tail, zero, 16) == 0 && memcmp(event.tail, zero, 16) == 0 && memcmp(longer.tail, zero, 16) == 0);
  pensee_stream_free(stream);
  pensee_session_free(session);
  pensee_model_free(model);
}

/* A caller who knew max_tokens and think_budget alone; what lies behind is not his struct. */
static void shorter_inputs(void) {
  struct {
    pensee_options options;
  } old;
  pensee_model_options old_model;
  pensee_model* model = NULL;
  pensee_session* session;
  pensee_reply* reply = NULL;
  pensee_prompt prompt = abi_prompt();
  pensee_prompt old_prompt;
  pensee_error err;
  size_t count = 0;

  memset(&old_model, 0xEE, sizeof old_model);
  old_model.struct_size = offsetof(pensee_model_options, backend);
  old_model.threads = 1;
  EXPECT(PENSEE_OK, err, pensee_model_open(abi_path(ABI_GGUF), &old_model, &model, &err));

  memset(&old, 0xEE, sizeof old);
  old.options.struct_size = offsetof(pensee_options, temperature);
  old.options.max_tokens = 3;
  old.options.think_budget = -1;
  session = abi_session(model);
  EXPECT(PENSEE_OK, err, pensee_session_ask(session, &prompt, &old.options, &reply, &err));
  CHECK(pensee_reply_token_ids(reply, &count) != NULL && count >= 1 && count <= 3);
  pensee_reply_free(reply);
  reply = NULL;

  memset(&old_prompt, 0xEE, sizeof old_prompt);
  old_prompt.struct_size = offsetof(pensee_prompt, system);
  old_prompt.text = "ab";
  EXPECT(PENSEE_OK, err, pensee_session_ask(session, &old_prompt, &old.options, &reply, &err));
  pensee_reply_free(reply);
  pensee_session_free(session);
  pensee_model_free(model);
}

static bool all_are(const void* bytes, size_t from, size_t to, unsigned char value) {
  const unsigned char* b = bytes;
  size_t i;
  for (i = from; i < to; i++) {
    if (b[i] != value) return false;
  }
  return true;
}

static void shorter_outputs(void) {
  pensee_model_info info;
  pensee_event event;
  pensee_error small, err;
  const pensee_prompt prompt = abi_prompt();
  const pensee_options options = abi_greedy(3);
  pensee_model *model = abi_open(ABI_GGUF), *none = NULL;
  pensee_session* session = abi_session(model);
  pensee_stream* stream = NULL;
  const size_t small_size = offsetof(pensee_error, message) + 16;

  memset(&info, 0xEE, sizeof info);
  info.struct_size = offsetof(pensee_model_info, quantization);
  EXPECT(PENSEE_OK, err, pensee_model_get_info(model, &info, &err));
  CHECK(strcmp(info.architecture, "qwen2") == 0 && info.name != NULL);
  CHECK(info.struct_size == offsetof(pensee_model_info, quantization));
  CHECK(all_are(&info, info.struct_size, sizeof info, 0xEE));

  memset(&event, 0xEE, sizeof event);
  event.struct_size = offsetof(pensee_event, token_id);
  EXPECT(PENSEE_OK, err, pensee_stream_open(session, &prompt, &options, &stream, &err));
  EXPECT(PENSEE_OK, err, pensee_stream_next(stream, -1, &event, &err));
  CHECK(event.kind != 0 && event.text != NULL);
  CHECK(all_are(&event, offsetof(pensee_event, token_id), sizeof event, 0xEE));

  memset(&small, 0xEE, sizeof small);
  small.struct_size = small_size;
  CHECK(pensee_model_open("a/rather/long/path/of/no/file.gguf", NULL, &none, &small) == PENSEE_FILE_NOT_FOUND);
  CHECK(small.status == PENSEE_FILE_NOT_FOUND && memchr(small.message, 0, 16) != NULL && small.message[0] != '\0');
  CHECK(all_are(&small, small_size, sizeof small, 0xEE));
  pensee_stream_free(stream);
  pensee_session_free(session);
  pensee_model_free(model);
}

/* struct_size below its own size: the caller forgot the INIT macro. */
static void no_size(void) {
  pensee_model *model = abi_open(ABI_GGUF), *none = NULL;
  pensee_session* session = abi_session(model);
  pensee_reply* reply = NULL;
  pensee_stream* stream = NULL;
  pensee_error err, forgotten;
  size_t bad, length = 77;
  for (bad = 0; bad < sizeof(size_t); bad += sizeof(size_t) - 1) {
    pensee_model_options model_options = PENSEE_MODEL_OPTIONS_INIT;
    pensee_model_info info = PENSEE_MODEL_INFO_INIT;
    pensee_prompt prompt = abi_prompt();
    pensee_options options = abi_greedy(3);
    pensee_event event = PENSEE_EVENT_INIT;
    const pensee_prompt good_prompt = prompt;
    const pensee_options good_options = options;
    model_options.struct_size = info.struct_size = prompt.struct_size = options.struct_size = event.struct_size = bad;
    EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_model_open(abi_path(ABI_GGUF), &model_options, &none, &err));
    EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_model_get_info(model, &info, &err));
    EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_session_ask(session, &prompt, &good_options, &reply, &err));
    EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_session_ask(session, &good_prompt, &options, &reply, &err));
    EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_stream_open(session, &prompt, &good_options, &stream, &err));
    EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_ask(model, "a", &options, &reply, &err));
    EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_render_prompt(model, &prompt, NULL, NULL, 0, &length, &err));
    EXPECT(PENSEE_OK, err, pensee_stream_open(session, &good_prompt, &good_options, &stream, &err));
    EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_stream_next(stream, -1, &event, &err));
    EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_stream_next(stream, -1, NULL, &err));
    pensee_stream_free(stream);
    stream = NULL;
    memset(&forgotten, 0xEE, sizeof forgotten); /* an error without a size is not written */
    forgotten.struct_size = bad;
    CHECK(pensee_model_open("no/file.gguf", NULL, &none, &forgotten) == PENSEE_FILE_NOT_FOUND);
    CHECK(all_are(&forgotten, sizeof(size_t), sizeof forgotten, 0xEE));
  }
  CHECK(none == NULL && reply == NULL && length == 77);
  pensee_session_free(session);
  pensee_model_free(model);
}

const abi_case abi_structs[] = {
    {"longer model options: a zero tail is fine, another is UNSUPPORTED", longer_model_options},
    {"longer prompts and options likewise", longer_prompt_and_options},
    {"longer outputs are filled as far as the library knows them", longer_outputs},
    {"shorter inputs: what is missing means as before, what follows is not read", shorter_inputs},
    {"shorter outputs: no byte behind them is written", shorter_outputs},
    {"a struct without a size is refused, an error without one is left alone", no_size},
    {NULL, NULL}};
