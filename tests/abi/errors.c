/* P1: a failing call leaves its outputs alone, and its message says what and where. Every function that has outputs
 * fails here in several ways; NULL stands once for each of its arguments that may not be NULL. */
#include <stdio.h>
#include <stdlib.h>

#include "abi.h"

static int sentinel;
#define UNTOUCHED ((void*)&sentinel)

static bool mentions(const pensee_error* err, const char* word) {
  const bool found = strstr(err->message, word) != NULL;
  if (!found) fprintf(stderr, "# '%s' does not mention '%s'\n", err->message, word);
  return found;
}

static void model_open(void) {
  pensee_model* model = UNTOUCHED;
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  pensee_error err;
  EXPECT(PENSEE_FILE_NOT_FOUND, err, pensee_model_open("no/such-model.gguf", NULL, &model, &err));
  CHECK(mentions(&err, "no/such-model.gguf"));
  if (pensee_model_open(NULL, NULL, &model, &err) == PENSEE_OK) { /* a default model lies beside this build */
    pensee_model_free(model);
    model = UNTOUCHED;
  } else {
    EXPECT(PENSEE_UNSUPPORTED, err, pensee_model_open(NULL, NULL, &model, &err));
    CHECK(mentions(&err, "pensee-mini.gguf"));
  }
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_model_open(abi_path(ABI_GGUF), NULL, NULL, &err));
  options.threads = 1025;
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_model_open(abi_path(ABI_GGUF), &options, &model, &err));
  options.threads = 0;
  options.backend = 77;
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_model_open(abi_path(ABI_GGUF), &options, &model, &err));
  options.backend = PENSEE_BACKEND_AUTO;
  options.memory_budget = 1000;
  EXPECT(PENSEE_OUT_OF_MEMORY, err, pensee_model_open(abi_path(ABI_GGUF), &options, &model, &err));
  CHECK(model == UNTOUCHED);
}

static void model_open_elsewhere(void) {
  static const char text[] = "this is no model, however long it may be";
  pensee_model* model = UNTOUCHED;
  pensee_error err;
  pensee_status status;
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_model_open_memory(NULL, 100, NULL, &model, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_model_open_memory(text, sizeof text, NULL, NULL, &err));
  EXPECT(PENSEE_FILE_CORRUPT, err, pensee_model_open_memory(text, sizeof text, NULL, &model, &err));
  abi_reset(&err);
  status = pensee_model_open_fd(-1, 0, 0, NULL, &model, &err);
  CHECK(status == PENSEE_BAD_ARGUMENT || status == PENSEE_FILE_IO);
  CHECK(err.message[0] != '\0');
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_model_open_fd(0, 0, 0, NULL, NULL, &err));
  CHECK(model == UNTOUCHED);
}

static void model_info(void) {
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_model_info info = PENSEE_MODEL_INFO_INIT;
  pensee_error err;
  info.architecture = UNTOUCHED;
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_model_get_info(NULL, &info, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_model_get_info(model, NULL, &err));
  CHECK(info.architecture == UNTOUCHED);
  CHECK(pensee_model_get_info(model, &info, NULL) == PENSEE_OK);
  CHECK(strcmp(info.architecture, "qwen2") == 0);
  pensee_model_free(model);
}

static void tokens(void) {
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_error err;
  int32_t ids[8] = {-7, -7, -7, -7, -7, -7, -7, -7};
  const int32_t none[2] = {5, 1 << 30};
  const int32_t negative[2] = {5, -1};
  size_t count = 77;
  char text[8] = "unmoved";
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_tokenize(NULL, "ab", 2, 0, ids, 8, &count, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_tokenize(model, NULL, 2, 0, ids, 8, &count, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_tokenize(model, "ab", 2, 0, NULL, 8, &count, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_tokenize(model, "ab", 2, 0, ids, 8, NULL, &err));
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_tokenize(model, "ab", 2, 0xFF00, ids, 8, &count, &err)); /* of tomorrow? */
  EXPECT(PENSEE_BAD_ARGUMENT, err,
         pensee_tokenize(model,
                         "ab\xFF"
                         "d",
                         4, 0, ids, 8, &count, &err));
  CHECK(mentions(&err, "2")); /* the byte */
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_detokenize(model, none, 1, 0xFF00, text, 8, &count, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_detokenize(NULL, ids, 1, 0, text, 8, &count, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_detokenize(model, NULL, 1, 0, text, 8, &count, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_detokenize(model, none, 1, 0, NULL, 8, &count, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_detokenize(model, none, 1, 0, text, 8, NULL, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_detokenize(model, none, 2, 0, text, 8, &count, &err));
  CHECK(mentions(&err, "1073741824"));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_detokenize(model, negative, 2, 0, text, 8, &count, &err));
  CHECK(count == 77 && ids[0] == -7 && strcmp(text, "unmoved") == 0);
  pensee_model_free(model);
}

static void scoring(void) {
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_error err;
  const int32_t ids[3] = {5, 1 << 30, 6};
  float* out = malloc(3 * 512 * sizeof *out);
  int32_t* many = calloc(513, sizeof *many);
  out[0] = out[1] = -12345.0f;
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_logits(NULL, ids, 1, out, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_logits(model, NULL, 1, out, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_logits(model, ids, 1, NULL, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_logits(model, ids, 3, out, &err));
  CHECK(mentions(&err, "1073741824"));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_logprobs(NULL, ids, 1, out, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_logprobs(model, NULL, 1, out, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_logprobs(model, ids, 1, NULL, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_logprobs(model, ids, 3, out, &err));
  EXPECT(PENSEE_CONTEXT_FULL, err, pensee_logprobs(model, many, 513, out, &err));
  CHECK(out[0] == -12345.0f && out[1] == -12345.0f);
  free(many);
  free(out);
  pensee_model_free(model);
}

/* Budgets from too small for one page of the cache to enough for all: in between, some rows could be computed. */
static void scoring_out_of_memory(void) {
  enum { count = 400 };
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_model_info info = PENSEE_MODEL_INFO_INIT;
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  pensee_error err;
  uint64_t extra;
  size_t numbers, i, written, refused = 0;
  int32_t* ids = calloc(count, sizeof *ids);
  float* out;
  EXPECT(PENSEE_OK, err, pensee_model_get_info(model, &info, &err));
  pensee_model_free(model);
  numbers = count * (size_t)info.vocab_size;
  out = malloc(numbers * sizeof *out);
  options.threads = 1;
  for (extra = 16 << 10; extra < 64 << 20; extra += extra / 4) {
    options.memory_budget = info.weight_bytes + extra;
    if (!EXPECT(PENSEE_OK, err, pensee_model_open(abi_path(ABI_GGUF), &options, &model, &err))) break;
    for (i = 0; i < numbers; i++) out[i] = -12345.0f;
    abi_reset(&err);
    if (pensee_logits(model, ids, count, out, &err) != PENSEE_OK) {
      for (i = written = 0; i < numbers; i++) written += out[i] != -12345.0f;
      CHECK(err.status == PENSEE_OUT_OF_MEMORY && written == 0);
      refused++;
    } else {
      extra = 64 << 20;
    }
    pensee_model_free(model);
  }
  CHECK(refused > 3);
  free(out);
  free(ids);
}

static void odd_path(void) {
  pensee_model* model = UNTOUCHED;
  pensee_error err;
  EXPECT(PENSEE_FILE_NOT_FOUND, err, pensee_model_open("no/such\xff\xc3.gguf", NULL, &model, &err));
  CHECK(mentions(&err, "no/such??.gguf"));
}

static int never(void* user, const pensee_event* event) {
  (void)event;
  ++*(int*)user;
  return 0;
}

static void sessions_and_streams(void) {
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_session* session = UNTOUCHED;
  pensee_stream* stream = UNTOUCHED;
  pensee_reply* reply = UNTOUCHED;
  pensee_prompt prompt = abi_prompt();
  const pensee_prompt empty = PENSEE_PROMPT_INIT;
  const pensee_options options = abi_greedy(4);
  pensee_event event = PENSEE_EVENT_INIT;
  pensee_error err;
  int events = 0;
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_session_new(NULL, &session, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_session_new(model, NULL, &err));
  CHECK(session == UNTOUCHED);
  session = abi_session(model);
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_generate(NULL, &prompt, &options, never, &events, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_generate(session, NULL, &options, never, &events, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_generate(session, &empty, &options, never, &events, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_generate(session, &prompt, &options, NULL, NULL, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_stream_open(NULL, &prompt, &options, &stream, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_stream_open(session, NULL, &options, &stream, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_stream_open(session, &empty, &options, &stream, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_stream_open(session, &prompt, &options, NULL, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_session_ask(NULL, &prompt, &options, &reply, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_session_ask(session, NULL, &options, &reply, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_session_ask(session, &empty, &options, &reply, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_session_ask(session, &prompt, &options, NULL, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_ask(NULL, "a", &options, &reply, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_ask(model, NULL, &options, &reply, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_ask(model, "a", &options, NULL, &err));
  event.text = UNTOUCHED;
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_stream_next(NULL, 0, &event, &err));
  CHECK(events == 0 && stream == UNTOUCHED && reply == UNTOUCHED && event.text == UNTOUCHED);
  pensee_session_free(session);
  pensee_model_free(model);
}

static void rendering(void) {
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  pensee_error err;
  char text[8] = "unmoved";
  size_t length = 77;
  prompt.text = "ab";
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_render_prompt(NULL, &prompt, NULL, text, 8, &length, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_render_prompt(model, NULL, NULL, text, 8, &length, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_render_prompt(model, &prompt, NULL, NULL, 8, &length, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_render_prompt(model, &prompt, NULL, text, 8, NULL, &err));
  prompt.text = "a\xC3";
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_render_prompt(model, &prompt, NULL, text, 8, &length, &err));
  CHECK(length == 77 && strcmp(text, "unmoved") == 0);
  pensee_model_free(model);
}

static void without_an_error(void) {
  pensee_model* model = UNTOUCHED;
  CHECK(pensee_model_open("no/such-model.gguf", NULL, &model, NULL) == PENSEE_FILE_NOT_FOUND);
  CHECK(pensee_model_open(NULL, NULL, NULL, NULL) != PENSEE_OK);
  CHECK(pensee_stream_next(NULL, 0, NULL, NULL) == PENSEE_BAD_ARGUMENT);
  CHECK(model == UNTOUCHED);
}

static void status_table(void) {
  static const pensee_status known[] = {
      PENSEE_OK,           PENSEE_BAD_ARGUMENT,   PENSEE_FILE_NOT_FOUND, PENSEE_FILE_CORRUPT,
      PENSEE_FILE_IO,      PENSEE_OUT_OF_MEMORY,  PENSEE_UNSUPPORTED,    PENSEE_BUSY,
      PENSEE_CONTEXT_FULL, PENSEE_NO_MORE_EVENTS, PENSEE_CANCELLED,      PENSEE_STOPPED_BY_CALLBACK,
      PENSEE_TIMEOUT,      PENSEE_INTERNAL};
  size_t i;
  for (i = 0; i < sizeof known / sizeof known[0]; i++) {
    CHECK(strncmp(pensee_status_name(known[i]), "PENSEE_", 7) == 0);
    CHECK(strcmp(pensee_status_name(known[i]), "PENSEE_UNKNOWN") != 0);
    CHECK(strlen(pensee_status_text(known[i])) > 0);
  }
  CHECK(strcmp(pensee_status_name(PENSEE_FILE_CORRUPT), "PENSEE_FILE_CORRUPT") == 0);
  CHECK(strcmp(pensee_status_name(12345), "PENSEE_UNKNOWN") == 0);
  CHECK(pensee_status_text(-1) != NULL);
}

const abi_case abi_errors[] = {{"opening what is not there leaves the model alone and names the file", model_open},
                               {"opening from memory or a descriptor likewise", model_open_elsewhere},
                               {"information needs a model and a place", model_info},
                               {"tokenizing names the bad byte, detokenizing the bad id, and neither writes", tokens},
                               {"scoring writes nothing when an id is none or too many", scoring},
                               {"scoring writes nothing when memory runs out", scoring_out_of_memory},
                               {"a path that is no UTF-8 gives a message that is", odd_path},
                               {"sessions, streams and replies are not made from nothing", sessions_and_streams},
                               {"rendering a prompt that is no UTF-8 writes nothing", rendering},
                               {"an error is not needed", without_an_error},
                               {"every status has a name and a remedy", status_table},
                               {NULL, NULL}};
