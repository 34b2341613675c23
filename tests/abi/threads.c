/* P3: a const handle serves any threads at once; cancel and end_thought come from any thread. What the threads compute
 * is compared with what one thread computed alone. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "abi.h"

enum { num_threads = 4, num_ids = 24 };

static pensee_model* model;
static int32_t expected_tokens[16], expected_many[64];
static float expected_logprobs[num_ids];

static void make_ids(int32_t* ids) {
  int i;
  for (i = 0; i < num_ids; i++) ids[i] = (i * 37 + 11) % 250;
}

static void* use_model(void* unused) {
  int32_t ids[num_ids], tokens[64];
  float logprobs[num_ids];
  size_t count = 0;
  intptr_t wrong = 0;
  int round;
  (void)unused;
  make_ids(ids);
  for (round = 0; round < 4; round++) {
    pensee_session* session = NULL;
    const pensee_prompt prompt = abi_prompt();
    const pensee_options options = abi_greedy(16);
    pensee_reply* reply = NULL;
    if (pensee_tokenize(model, "hello", 5, 0, tokens, 64, &count, NULL) != PENSEE_OK || count == 0) wrong++;
    if (pensee_logprobs(model, ids, num_ids, logprobs, NULL) != PENSEE_OK ||
        memcmp(logprobs, expected_logprobs, sizeof logprobs) != 0)
      wrong++;
    if (pensee_session_new(model, &session, NULL) != PENSEE_OK ||
        pensee_session_ask(session, &prompt, &options, &reply, NULL) != PENSEE_OK) {
      wrong++;
    } else {
      const int32_t* produced = pensee_reply_token_ids(reply, &count);
      if (count != 16 || memcmp(produced, expected_tokens, sizeof expected_tokens) != 0) wrong++;
    }
    pensee_reply_free(reply);
    pensee_session_free(session);
  }
  return (void*)wrong;
}

static void one_model_many_threads(void) {
  pthread_t threads[num_threads];
  pensee_session* session;
  int32_t ids[num_ids];
  int i;
  model = abi_open(ABI_MOE);
  session = abi_session(model);
  make_ids(ids);
  CHECK(abi_generate(session, 16, expected_tokens) == 16);
  CHECK(pensee_logprobs(model, ids, num_ids, expected_logprobs, NULL) == PENSEE_OK);
  for (i = 0; i < num_threads; i++) CHECK(pthread_create(&threads[i], NULL, use_model, NULL) == 0);
  for (i = 0; i < num_threads; i++) {
    void* wrong = NULL;
    pthread_join(threads[i], &wrong);
    CHECK(wrong == NULL);
  }
  pensee_session_free(session);
  pensee_model_free(model);
}

static void sleep_ms(long ms) {
  struct timespec time = {0, 0};
  time.tv_nsec = ms * 1000000L;
  nanosleep(&time, NULL);
}

static void* cancel_the_session(void* session) {
  pensee_session_cancel(session);
  return NULL;
}

static int events_left; /* before the other thread cancels */
static int32_t last_finish_reason;
static int remember(void* session, const pensee_event* event) {
  pthread_t thread;
  if (event->kind == PENSEE_EVENT_END) last_finish_reason = event->finish_reason;
  if (session != NULL && events_left-- == 0) {
    CHECK(pthread_create(&thread, NULL, cancel_the_session, session) == 0);
    pthread_join(thread, NULL);
  }
  return 0;
}

/* In the middle of the reply, however fast the machine is: the callback waits until the other thread has cancelled. */
static void cancel_session(void) {
  pensee_session* session;
  const pensee_prompt prompt = abi_prompt();
  const pensee_options options = abi_greedy(400);
  pensee_error err;
  model = abi_open(ABI_MOE);
  session = abi_session(model);
  CHECK(abi_generate(session, 16, expected_tokens) == 16);
  events_left = 5;
  EXPECT(PENSEE_OK, err, pensee_generate(session, &prompt, &options, remember, session, &err));
  CHECK(events_left < 0);
  CHECK(last_finish_reason == PENSEE_FINISH_CANCELLED);
  CHECK(abi_still_works(session, expected_tokens, 16)); /* a cancel stops one generation, not the next */
  pensee_session_free(session);
  pensee_model_free(model);
}

static void* cancel_the_stream(void* stream) {
  pensee_stream_end_thought(stream); /* no thought is open, or it is closed: both are fine */
  pensee_stream_cancel(stream);
  pensee_stream_cancel(stream);
  return NULL;
}

static void cancel_stream(void) {
  pensee_session* session;
  const pensee_prompt prompt = abi_prompt();
  const pensee_options options = abi_greedy(0);
  int round;
  model = abi_open(ABI_MOE);
  session = abi_session(model);
  CHECK(abi_generate(session, 16, expected_tokens) == 16);
  for (round = 0; round < 6; round++) {
    /* In even rounds the stream waits meanwhile, so that it cannot end first; in odd ones both threads use it. */
    const int waits = round % 2 == 0;
    pensee_stream* stream = NULL;
    pensee_event event = PENSEE_EVENT_INIT;
    pensee_error err;
    pthread_t thread;
    int events = 0;
    EXPECT(PENSEE_OK, err, pensee_stream_open(session, &prompt, &options, &stream, &err));
    EXPECT(PENSEE_OK, err, pensee_stream_next(stream, -1, &event, &err));
    CHECK(pthread_create(&thread, NULL, cancel_the_stream, stream) == 0);
    if (waits) pthread_join(thread, NULL);
    do {
      if (!EXPECT(PENSEE_OK, err, pensee_stream_next(stream, -1, &event, &err))) break;
    } while (event.kind != PENSEE_EVENT_END && ++events < 10000);
    CHECK(event.kind == PENSEE_EVENT_END);
    CHECK(event.finish_reason == PENSEE_FINISH_CANCELLED || (!waits && event.finish_reason == PENSEE_FINISH_LENGTH));
    EXPECT(PENSEE_NO_MORE_EVENTS, err, pensee_stream_next(stream, -1, &event, &err));
    if (!waits) pthread_join(thread, NULL);
    pensee_stream_free(stream);
  }
  CHECK(abi_still_works(session, expected_tokens, 16));
  pensee_session_free(session);
  pensee_model_free(model);
}

static void cancel_before_the_start(void) {
  pensee_session* session;
  model = abi_open(ABI_GGUF);
  session = abi_session(model);
  CHECK(abi_generate(session, 16, expected_tokens) == 16);
  pensee_session_cancel(session); /* nothing runs: nothing to stop */
  CHECK(abi_still_works(session, expected_tokens, 16));
  pensee_session_free(session);
  pensee_model_free(model);
}

static int stop_at_third(void* user, const pensee_event* event) {
  int* tokens = user;
  if (event->token_id >= 0) ++*tokens;
  return *tokens >= 3 ? 17 : 0;
}

static void stop_by_callback(void) {
  pensee_session* session;
  const pensee_prompt prompt = abi_prompt();
  const pensee_options options = abi_greedy(100);
  pensee_error err;
  int tokens = 0;
  model = abi_open(ABI_GGUF);
  session = abi_session(model);
  CHECK(abi_generate(session, 16, expected_tokens) == 16);
  EXPECT(PENSEE_STOPPED_BY_CALLBACK, err, pensee_generate(session, &prompt, &options, stop_at_third, &tokens, &err));
  CHECK(tokens == 3);
  CHECK(abi_still_works(session, expected_tokens, 16));
  pensee_session_free(session);
  pensee_model_free(model);
}

typedef struct upkeep_work {
  volatile int stop;
  int calls, failures;
} upkeep_work;

/* What an application's main thread does when the system tells it to. */
static void* keep_up(void* user) {
  upkeep_work* work = user;
  while (!work->stop) {
    pensee_memory memory = PENSEE_MEMORY_INIT;
    uint64_t freed = 0;
    pensee_model_pause(model);
    if (pensee_model_trim(model, work->calls % 2, &freed, NULL) != PENSEE_OK) work->failures++;
    if (pensee_model_set_threads(model, 1 + work->calls % 3, NULL) != PENSEE_OK) work->failures++;
    if (pensee_model_get_memory(model, &memory, NULL) != PENSEE_OK || memory.used < memory.scratch) work->failures++;
    pensee_model_resume(model);
    work->calls++;
    sleep_ms(1);
  }
  return NULL;
}

static void upkeep(void) {
  upkeep_work work = {0, 0, 0};
  pensee_session *session, *other;
  pthread_t thread;
  int round;
  model = abi_open(ABI_MOE);
  session = abi_session(model);
  other = abi_session(model);
  CHECK(abi_generate(session, 64, expected_many) == 64);
  CHECK(pthread_create(&thread, NULL, keep_up, &work) == 0);
  for (round = 0; round < 20; round++) {
    CHECK(abi_still_works(session, expected_many, 64));
    CHECK(abi_still_works(other, expected_many, 64));
  }
  work.stop = 1;
  pthread_join(thread, NULL);
  CHECK(work.calls > 3 && work.failures == 0);
  pensee_session_free(session);
  pensee_session_free(other);
  pensee_model_free(model);
}

static void busy(void) {
  pensee_session* session;
  const pensee_prompt prompt = abi_prompt();
  const pensee_options options = abi_greedy(400);
  pensee_stream *stream = NULL, *second = NULL;
  pensee_reply* reply = NULL;
  pensee_event event = PENSEE_EVENT_INIT;
  pensee_error err;
  int timeouts = 0;
  model = abi_open(ABI_MOE);
  session = abi_session(model);
  CHECK(abi_generate(session, 16, expected_tokens) == 16);
  EXPECT(PENSEE_OK, err, pensee_stream_open(session, &prompt, &options, &stream, &err));
  EXPECT(PENSEE_BUSY, err, pensee_stream_open(session, &prompt, &options, &second, &err));
  EXPECT(PENSEE_BUSY, err, pensee_session_ask(session, &prompt, &options, &reply, &err));
  EXPECT(PENSEE_BUSY, err, pensee_generate(session, &prompt, &options, remember, NULL, &err));
  CHECK(second == NULL && reply == NULL);
  for (;;) { /* the stream that was there first is not disturbed */
    const pensee_status status = pensee_stream_next(stream, 0, &event, &err);
    if (status == PENSEE_TIMEOUT) {
      timeouts++;
      sleep_ms(1);
      continue;
    }
    CHECK(status == PENSEE_OK);
    if (status != PENSEE_OK || event.kind == PENSEE_EVENT_END) break;
  }
  CHECK(event.kind == PENSEE_EVENT_END && event.finish_reason == PENSEE_FINISH_LENGTH);
  CHECK(event.usage != NULL && event.usage->thought_tokens + event.usage->answer_tokens == 400);
  pensee_stream_free(stream);
  CHECK(abi_still_works(session, expected_tokens, 16));
  pensee_session_free(session);
  pensee_model_free(model);
}

const abi_case abi_threads[] = {{"four threads share a model and get what one thread gets", one_model_many_threads},
                                {"another thread cancels a session, and the session works on", cancel_session},
                                {"another thread cancels a stream, whose END follows", cancel_stream},
                                {"cancelling a session that does nothing does nothing", cancel_before_the_start},
                                {"a callback stops a generation after the token it likes", stop_by_callback},
                                {"another thread pauses, trims and changes threads all the while", upkeep},
                                {"a session that streams is BUSY and its stream goes on", busy},
                                {NULL, NULL}};
