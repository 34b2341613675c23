/* A program of a user who built it against an old pensee.h (tests/abi/old) and never again: it runs with today's
 * library and sees what it saw then. It is compiled once for each old header, and speaks the language of the first,
 * 0.1.0: nothing here came later. Its structs hold rubbish wherever the old header has no field. */
#include <pensee/pensee.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { max_tokens = 24, num_ids = 6 };
static const int32_t prompt_ids[num_ids] = {5, 17, 40, 3, 99, 12};
static int failures;

#define CHECK(condition) check((condition) != 0, #condition, __LINE__)
static void check(int holds, const char* what, int line) {
  if (holds) return;
  failures++;
  printf("old_program.c:%d: %s does not hold\n", line, what);
}

/* The INIT macro's values, over bytes that are not zero: padding is nobody's to read. */
static void fill(void* to, const void* init, size_t size) {
  static const size_t offset_of_effort_end = offsetof(pensee_options, effort) + sizeof(int32_t);
  memset(to, 0xEE, size);
  memcpy(to, init, size < offset_of_effort_end ? size : offset_of_effort_end);
}

static pensee_options old_options(void) {
  const pensee_options init = PENSEE_OPTIONS_INIT;
  pensee_options options = PENSEE_OPTIONS_INIT;
  if (PENSEE_VERSION < 200) fill(&options, &init, sizeof options);
  options.max_tokens = max_tokens;
  options.temperature = 0;
  options.ignore_eos = 1;
  options.top_logprobs = 2;
  return options;
}

typedef struct seen {
  int32_t ids[max_tokens];
  size_t count;
  int32_t finish_reason;
  char text[4096];
  size_t length;
} seen;

static void see(seen* s, const pensee_event* event) {
  CHECK(event->struct_size >= sizeof *event); /* in a callback it is the library's, and has grown */
  if (event->kind == PENSEE_EVENT_END) {
    s->finish_reason = event->finish_reason;
    CHECK(event->usage != NULL && event->usage->prompt_tokens == num_ids);
    CHECK(event->usage->thought_tokens + event->usage->answer_tokens == max_tokens);
    CHECK(event->usage->seconds > 0 && event->usage->parameters_active > 0);
    return;
  }
  CHECK(event->kind == PENSEE_EVENT_THOUGHT || event->kind == PENSEE_EVENT_ANSWER);
  if (event->token_id >= 0 && s->count < max_tokens) {
    CHECK(event->num_alternatives == 2 && event->alternatives[0].token_id == event->token_id);
    CHECK(event->alternatives[0].logprob == event->logprob && event->logprob <= 0);
    s->ids[s->count++] = event->token_id;
  }
  if (s->length + event->text_length < sizeof s->text) {
    memcpy(s->text + s->length, event->text, event->text_length);
    s->length += event->text_length;
  }
}

static int on_event(void* user, const pensee_event* event) {
  see(user, event);
  return 0;
}

static int on_progress(void* user, float fraction) {
  *(float*)user = fraction;
  return 0;
}

/* Greedy tokens by push, by pull and in one call; the same ones, and those that the logits say. */
static void generates(pensee_model* model, int64_t vocab_size) {
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  const pensee_options options = old_options();
  pensee_session *first = NULL, *second = NULL;
  pensee_stream* stream = NULL;
  pensee_reply* reply = NULL;
  pensee_event event = PENSEE_EVENT_INIT;
  static seen pushed, pulled;
  const int32_t* ids;
  size_t count = 0;
  float* logits = malloc(num_ids * (size_t)vocab_size * sizeof(float));
  int64_t best = 0, i;

  prompt.ids = prompt_ids;
  prompt.num_ids = num_ids;
  CHECK(pensee_session_new(model, &first, &error) == PENSEE_OK);
  CHECK(pensee_session_new(model, &second, &error) == PENSEE_OK);
  CHECK(pensee_generate(first, &prompt, &options, on_event, &pushed, &error) == PENSEE_OK);
  CHECK(pensee_stream_open(second, &prompt, &options, &stream, &error) == PENSEE_OK);
  while (pensee_stream_next(stream, -1, &event, &error) == PENSEE_OK) see(&pulled, &event);
  CHECK(error.status == PENSEE_NO_MORE_EVENTS);
  CHECK(pushed.count == max_tokens && pushed.finish_reason == PENSEE_FINISH_LENGTH);
  CHECK(memcmp(&pushed, &pulled, sizeof pushed) == 0);
  pensee_stream_free(stream);
  CHECK(pensee_session_ask(second, &prompt, &options, &reply, &error) == PENSEE_OK);
  ids = pensee_reply_token_ids(reply, &count);
  CHECK(count == max_tokens && memcmp(ids, pushed.ids, sizeof pushed.ids) == 0);
  CHECK(pensee_reply_finish_reason(reply) == PENSEE_FINISH_LENGTH);
  CHECK(pensee_reply_usage(reply)->cached_tokens > 0);
  CHECK(strlen(pensee_reply_thought(reply)) + strlen(pensee_reply_answer(reply)) <= pushed.length);

  CHECK(pensee_logits(model, prompt_ids, num_ids, logits, &error) == PENSEE_OK);
  for (i = 1; i < vocab_size; i++) {
    const float* last = logits + (num_ids - 1) * vocab_size;
    if (last[i] > last[best]) best = i;
  }
  CHECK(best == pushed.ids[0]);
  free(logits);
  pensee_reply_free(reply);
  pensee_session_free(first);
  pensee_session_free(second);
}

static void reads_and_writes(const pensee_model* model) {
  pensee_error error = PENSEE_ERROR_INIT;
  int32_t ids[64];
  float logprobs[64];
  char text[64];
  size_t count = 0, length = 0;
  CHECK(pensee_tokenize(model, "Is it?", 6, 0, ids, 64, &count, &error) == PENSEE_OK && count > 0 && count <= 64);
  CHECK(pensee_detokenize(model, ids, count, 0, text, sizeof text, &length, &error) == PENSEE_OK);
  CHECK(length == 6 && memcmp(text, "Is it?", 6) == 0);
  CHECK(pensee_logprobs(model, ids, count, logprobs, &error) == PENSEE_OK && logprobs[0] == 0);
  CHECK(pensee_tokenize(model, "\xff", 1, 0, ids, 64, &count, &error) == PENSEE_BAD_ARGUMENT);
  CHECK(error.status == PENSEE_BAD_ARGUMENT && error.message[0] != 0);
}

int main(int argc, char** argv) {
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  pensee_model_info info = PENSEE_MODEL_INFO_INIT;
  pensee_model* model = NULL;
  float progress = 0;
  if (argc != 2) return 2;
  options.threads = 2;
  options.progress = on_progress;
  options.progress_user = &progress;
  if (pensee_model_open(argv[1], &options, &model, &error) != PENSEE_OK) {
    printf("%s: %s\n", pensee_status_name(error.status), error.message);
    return 1;
  }
  CHECK(progress == 1);
  CHECK(pensee_version() >= PENSEE_VERSION);
  CHECK(pensee_model_get_info(model, &info, &error) == PENSEE_OK && info.struct_size == sizeof info);
  CHECK(info.vocab_size > 0 && info.threads == 2 && strcmp(info.backend, "native") == 0);
  generates(model, info.vocab_size);
  reads_and_writes(model);
  pensee_model_free(model);
  CHECK(pensee_model_open("no/such/file.gguf", NULL, &model, &error) == PENSEE_FILE_NOT_FOUND);
  printf("built against %s, run with %s: %d failures\n", PENSEE_VERSION_TEXT, pensee_version_text(), failures);
  return failures != 0;
}
