/* The application around the code of docs/embedding.md, which docs_test.py puts into embedding_page.h: calls all of it
 * and looks at what comes.
 *
 *   embedding MODEL.gguf     of random weights: it writes until its context is full */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <pensee/pensee.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int texts[2], errors, failures;

static void show_text(int thought, const char *text) { texts[thought != 0] += text[0] != '\0'; }
static void show_error(const char *what, const char *message) {
  errors++;
  printf("%s (%s)\n", message, what);
}
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}
const char *advice(const pensee_error *error);

#include "embedding_page.h"

#define CHECK(condition) \
  ((condition) ? (void)0 : (void)(failures++, printf("embedding.c:%d: %s does not hold\n", __LINE__, #condition)))

static pensee_stream *ask(pensee_session *session, int64_t max_tokens, int64_t think_budget) {
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  pensee_options options = PENSEE_OPTIONS_INIT;
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_stream *stream = NULL;
  prompt.text = "Is 221 prime?";
  options.max_tokens = max_tokens;
  options.think_budget = think_budget;
  options.ignore_eos = 1;
  options.seed = 5;
  CHECK(pensee_stream_open(session, &prompt, &options, &stream, &error) == PENSEE_OK);
  return stream;
}

static int frames_until_the_end(pensee_stream *stream) {
  const struct timespec frame = {0, 1000000};
  int reason;
  while ((reason = on_frame(stream)) == 0) nanosleep(&frame, NULL);
  return reason;
}

static void *press_stop(void *stream) {
  on_stop(stream);
  return NULL;
}

static void streams(const pensee_model *model) {
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_session *session = NULL;
  pensee_stream *stream;
  pthread_t button;
  double began;
  CHECK(pensee_session_new(model, &session, &error) == PENSEE_OK);
  stream = ask(session, 30, 10);
  CHECK(frames_until_the_end(stream) == PENSEE_FINISH_LENGTH);
  CHECK(texts[0] > 0 && texts[1] > 0 && errors == 0); /* answer and thought */
  CHECK(on_frame(stream) == PENSEE_FINISH_ERROR && errors == 1); /* read beyond its end */
  pensee_stream_free(stream);

  stream = ask(session, 0, -1);
  CHECK(pthread_create(&button, NULL, press_stop, stream) == 0);
  CHECK(frames_until_the_end(stream) == PENSEE_FINISH_CANCELLED);
  pthread_join(button, NULL);
  pensee_stream_free(stream);

  texts[0] = 0;
  stream = ask(session, 60, -1);
  on_answer_now(stream);
  CHECK(wait_at_most(stream, 1e4, &error) == PENSEE_FINISH_LENGTH);
  pensee_stream_free(stream);

  stream = ask(session, 0, -1);
  on_background(model); /* nothing is computed any more: it cannot end by itself */
  began = now();
  CHECK(wait_at_most(stream, 0.05, &error) == PENSEE_FINISH_CANCELLED);
  CHECK(now() - began >= 0.05);
  pensee_stream_free(stream);
  on_foreground(model);
  on_hot(model);
  CHECK(on_low_memory(model) > 0);
  stream = ask(session, 30, 10);
  CHECK(frames_until_the_end(stream) == PENSEE_FINISH_LENGTH);
  pensee_session_free(session);
  pensee_stream_free(stream);
}

/* The model inside a larger file, as in an archive. */
static void asset(const char *path) {
  enum { start = 4096 };
  static char block[65536];
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_model *model = NULL;
  FILE *in = fopen(path, "rb"), *out = fopen("archive", "wb");
  size_t count, length = 0;
  int fd;
  if (in == NULL || out == NULL) return;
  fseek(out, start, SEEK_SET);
  while ((count = fread(block, 1, sizeof block, in)) > 0) length += fwrite(block, 1, count, out);
  fputs("what follows in the archive", out);
  fclose(in);
  fclose(out);
  fd = open("archive", O_RDONLY);
  CHECK(open_asset(fd, start, length, &model, &error) == PENSEE_OK);
  close(fd);
  pensee_model_free(model);
  fd = open("archive", O_RDONLY);
  model = NULL;
  CHECK(open_asset(fd, start, length / 2, &model, &error) == PENSEE_FILE_CORRUPT && model == NULL);
  CHECK(strstr(advice(&error), "fetch") != NULL);
  close(fd);
}

int main(int argc, char **argv) {
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_model *model = NULL;
  if (argc != 2) return 2;
  CHECK(open_within("no such file", 1000, &model, &error) == PENSEE_FILE_NOT_FOUND && model == NULL);
  CHECK(strstr(advice(&error), "choose another") != NULL);
  CHECK(open_within(argv[1], 1000, &model, &error) == PENSEE_OUT_OF_MEMORY && model == NULL);
  CHECK(open_within(argv[1], (uint64_t)1 << 32, &model, &error) == PENSEE_OK);
  streams(model);
  pensee_model_free(model);
  asset(argv[1]);
  printf("%d failed\n", failures);
  return failures == 0 ? 0 : 1;
}
