/* P4: every handle has one free, NULL may be freed, and the order of frees does not matter. Run under a leak checker
 * this file also shows that nothing stays behind. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "abi.h"

static void free_null(void) {
  pensee_model_free(NULL);
  pensee_session_free(NULL);
  pensee_stream_free(NULL);
  pensee_reply_free(NULL);
}

static int drain(pensee_stream* stream) {
  pensee_event event = PENSEE_EVENT_INIT;
  pensee_error err;
  int tokens = 0;
  while (EXPECT(PENSEE_OK, err, pensee_stream_next(stream, -1, &event, &err)) && event.kind != PENSEE_EVENT_END)
    tokens += event.token_id >= 0;
  return tokens;
}

/* The three handles in each of their six orders, while the stream runs and after it ended. */
static void every_order(void) {
  static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  int k, i;
  for (k = 0; k < 12; k++) {
    const pensee_prompt prompt = abi_prompt();
    const pensee_options options = abi_greedy(30);
    pensee_model* model = abi_open(k % 2 ? ABI_GGUF : ABI_MOE);
    pensee_session* session = abi_session(model);
    pensee_stream* stream = NULL;
    pensee_error err;
    EXPECT(PENSEE_OK, err, pensee_stream_open(session, &prompt, &options, &stream, &err));
    if (k >= 6) CHECK(drain(stream) == 30);
    for (i = 0; i < 3; i++) {
      if (orders[k % 6][i] == 0) pensee_model_free(model);
      if (orders[k % 6][i] == 1) pensee_session_free(session);
      if (orders[k % 6][i] == 2) pensee_stream_free(stream);
    }
  }
}

static void stream_outlives(void) {
  const pensee_prompt prompt = abi_prompt();
  const pensee_options options = abi_greedy(30);
  pensee_model* model = abi_open(ABI_MOE);
  pensee_session* session = abi_session(model);
  pensee_stream* stream = NULL;
  pensee_error err;
  EXPECT(PENSEE_OK, err, pensee_stream_open(session, &prompt, &options, &stream, &err));
  pensee_model_free(model);
  pensee_session_free(session);
  CHECK(drain(stream) == 30);
  pensee_stream_free(stream);
}

static void session_outlives(void) {
  pensee_model* model = abi_open(ABI_MOE);
  pensee_session* session = abi_session(model);
  int32_t before[64], after[64];
  CHECK(abi_generate(session, 20, before) == 20);
  pensee_model_free(model);
  CHECK(abi_generate(session, 20, after) == 20);
  CHECK(memcmp(before, after, 20 * sizeof *before) == 0);
  pensee_session_free(session);
}

static void reply_outlives(void) {
  const pensee_prompt prompt = abi_prompt();
  const pensee_options options = abi_greedy(20);
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_session* session = abi_session(model);
  pensee_reply* reply = NULL;
  pensee_error err;
  size_t count = 0;
  EXPECT(PENSEE_OK, err, pensee_session_ask(session, &prompt, &options, &reply, &err));
  pensee_session_free(session);
  pensee_model_free(model);
  CHECK(pensee_reply_token_ids(reply, &count) != NULL && count == 20);
  CHECK(abi_valid_utf8(pensee_reply_answer(reply), strlen(pensee_reply_answer(reply))));
  CHECK(pensee_reply_finish_reason(reply) == PENSEE_FINISH_LENGTH);
  CHECK(pensee_reply_usage(reply)->thought_tokens + pensee_reply_usage(reply)->answer_tokens == 20);
  CHECK(pensee_reply_usage(reply)->prompt_tokens == abi_prompt_ids);
  pensee_reply_free(reply);
}

static void inputs_are_copied(void) {
  int32_t* ids = malloc(4 * sizeof *ids);
  char* stop_text = malloc(8);
  const char** stop = malloc(sizeof *stop);
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  pensee_options options = abi_greedy(30);
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_session* session = abi_session(model);
  pensee_stream* stream = NULL;
  pensee_error err;
  int i;
  for (i = 0; i < 4; i++) ids[i] = 10 + i;
  strcpy(stop_text, "\x01\x02\x03");
  stop[0] = stop_text;
  prompt.ids = ids;
  prompt.num_ids = 4;
  options.stop = stop;
  options.num_stop = 1;
  EXPECT(PENSEE_OK, err, pensee_stream_open(session, &prompt, &options, &stream, &err));
  memset(ids, 0xFF, 4 * sizeof *ids);
  memset(stop_text, 0xFF, 8);
  free(ids);
  free(stop_text);
  free((void*)stop);
  CHECK(drain(stream) == 30);
  pensee_stream_free(stream);
  pensee_session_free(session);
  pensee_model_free(model);
}

static void same_model(pensee_model* model, const int32_t* expected) {
  pensee_session* session = abi_session(model);
  CHECK(abi_still_works(session, expected, 20));
  pensee_session_free(session);
}

/* Memory is read during the call only; a descriptor is duplicated; a window lies anywhere in its file. */
static void sources_are_let_go(void) {
  pensee_model *by_path = abi_open(ABI_GGUF), *by_memory = NULL, *by_fd = NULL;
  pensee_session* session = abi_session(by_path);
  pensee_error err;
  int32_t expected[64];
  size_t size;
  char* bytes = abi_read(abi_path(ABI_GGUF), &size);
  char path[] = "/tmp/pensee-abi-XXXXXX";
  const int fd = mkstemp(path);
  CHECK(abi_generate(session, 20, expected) == 20);
  pensee_session_free(session);
  pensee_model_free(by_path);
  CHECK(write(fd, "something before", 16) == 16 && write(fd, bytes, size) == (ssize_t)size &&
        write(fd, "and after", 9) == 9);
  EXPECT(PENSEE_OK, err, pensee_model_open_fd(fd, 16, size, NULL, &by_fd, &err));
  close(fd);
  remove(path);
  EXPECT(PENSEE_OK, err, pensee_model_open_memory(bytes, size, NULL, &by_memory, &err));
  memset(bytes, 0xAA, size);
  free(bytes);
  same_model(by_fd, expected);
  same_model(by_memory, expected);
  pensee_model_free(by_fd);
  pensee_model_free(by_memory);
}

static int cancel_progress(void* user, float fraction) {
  (void)fraction;
  return ++*(int*)user >= 1;
}

static int follow_progress(void* user, float fraction) {
  float* seen = user; /* least, greatest, last */
  if (fraction < seen[0]) seen[0] = fraction;
  if (fraction > seen[1]) seen[1] = fraction;
  CHECK(fraction >= seen[2]);
  seen[2] = fraction;
  return 0;
}

static void progress(void) {
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  pensee_model* model = NULL;
  pensee_error err;
  int calls = 0;
  float seen[3] = {2, -1, -1};
  options.progress = cancel_progress;
  options.progress_user = &calls;
  EXPECT(PENSEE_CANCELLED, err, pensee_model_open(abi_path(ABI_MOE), &options, &model, &err));
  CHECK(model == NULL && calls == 1);
  options.progress = follow_progress;
  options.progress_user = seen;
  EXPECT(PENSEE_OK, err, pensee_model_open(abi_path(ABI_MOE), &options, &model, &err));
  CHECK(seen[0] == 0.0f && seen[1] == 1.0f);
  pensee_model_free(model);
}

const abi_case abi_lifetimes[] = {
    {"NULL may be freed", free_null},
    {"model, session and stream are freed in every order, also while the stream runs", every_order},
    {"a stream keeps its session and its model alive", stream_outlives},
    {"a session keeps its model alive", session_outlives},
    {"a reply needs neither", reply_outlives},
    {"a stream copies its prompt and options", inputs_are_copied},
    {"memory and descriptor are let go when opening is done, and give the same model", sources_are_let_go},
    {"progress runs from 0 to 1 and can cancel the loading", progress},
    {NULL, NULL}};
