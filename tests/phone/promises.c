/* What a phone needs of loading and memory, measured at the allocator (glibc's) and at the process: a load that is
 * cancelled leaves nothing behind, wherever it is cancelled; a memory budget is kept, not only counted.
 *
 *   phone_promises MODEL */
#define _GNU_SOURCE
#include <dirent.h>
#include <malloc.h>
#include <stdlib.h>

#include "phone.h"

static int entries(const char* path) {
  int count = 0;
  DIR* folder = opendir(path);
  while (folder != NULL && readdir(folder) != NULL) count++;
  if (folder != NULL) closedir(folder);
  return count;
}

static size_t heap(void) {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

struct load {
  int calls, cancel_at; /* 0: never */
  size_t peak;
};
static int on_progress(void* user, float fraction) {
  struct load* load = user;
  CHECK(fraction >= 0 && fraction <= 1);
  if (heap() > load->peak) load->peak = heap();
  return ++load->calls == load->cancel_at;
}

static pensee_status open_model(const char* path, struct load* load, uint64_t budget, pensee_model** model,
                                pensee_error* error) {
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  options.progress = on_progress;
  options.progress_user = load;
  options.memory_budget = budget;
  options.threads = 1;
  return pensee_model_open(path, &options, model, error);
}

static void cancelled_load_leaves_nothing(const char* path) {
  pensee_error error = PENSEE_ERROR_INIT;
  int steps, descriptors, threads, cancelled = 0, round, k;
  size_t before = 0;
  struct load whole = {0, 0, 0};
  pensee_model* model = NULL;
  CHECK(open_model(path, &whole, 0, &model, &error) == PENSEE_OK);
  steps = whole.calls;
  pensee_model_free(model);
  CHECK(steps >= 3);
  descriptors = entries("/proc/self/fd");
  threads = entries("/proc/self/task");
  for (round = 0; round < 3; round++) { /* the first one may leave what the C library keeps for later */
    if (round < 2) before = heap();
    for (k = 1; k <= steps; k++) {
      struct load load = {0, 0, 0};
      pensee_status status;
      load.cancel_at = k;
      model = NULL;
      status = open_model(path, &load, 0, &model, &error);
      CHECK(status == PENSEE_CANCELLED && model == NULL && load.calls == k);
      cancelled += status == PENSEE_CANCELLED;
      pensee_model_free(model);
    }
    if (round > 0) CHECK(heap() == before);
  }
  CHECK(cancelled == 3 * steps);
  CHECK(entries("/proc/self/fd") == descriptors);
  CHECK(entries("/proc/self/task") == threads);
}

/* Not counted by the budget, and small: tokenizer, template, queues; and what a session is beside its cache, some 8 KB
 * of token ids and page tables. */
enum { sessions = 64, tokens = 500, uncounted = (400 << 10) + sessions / 2 * (8 << 10) };

/* As many talks as there are sessions, each about something else, kept; returns how many came to their end. */
static int talk(const pensee_model* model, pensee_session** session, int32_t (*ids)[tokens], pensee_error* error) {
  const pensee_options options = greedy(tokens, tokens / 2);
  int k;
  for (k = 0; k < sessions; k++) session[k] = NULL;
  for (k = 0; k < sessions; k++) {
    char question[64];
    snprintf(question, sizeof question, "%d: is that prime?", 100 + 7 * k);
    CHECK(pensee_session_new(model, &session[k], error) == PENSEE_OK);
    if (stream_tokens(session[k], question, &options, ids[k], tokens, error) != tokens) break;
  }
  return k;
}

static void free_all(pensee_session** session, pensee_model* model) {
  int k;
  for (k = 0; k < sessions; k++) pensee_session_free(session[k]);
  pensee_model_free(model);
}

static void budget_is_kept(const char* path) {
  static int32_t unbounded[sessions][tokens], ids[sessions][tokens];
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_memory memory = PENSEE_MEMORY_INIT;
  pensee_model* model = NULL;
  pensee_session* session[sessions];
  struct load load = {0, 0, 0};
  uint64_t needed;
  size_t before;

  CHECK(open_model(path, &load, 0, &model, &error) == PENSEE_OK);
  CHECK(talk(model, session, unbounded, &error) == sessions);
  CHECK(pensee_model_get_memory(model, &memory, &error) == PENSEE_OK);
  needed = memory.used;
  CHECK(needed > 4 * uncounted);
  free_all(session, model);

  /* Half of it: some talks come to their end, with the same tokens; then one is told that memory is out. */
  before = heap();
  load.peak = 0;
  model = NULL;
  CHECK(open_model(path, &load, needed / 2, &model, &error) == PENSEE_OK);
  CHECK(load.peak <= before + needed / 2 + uncounted);
  {
    const int ended = talk(model, session, ids, &error);
    CHECK(ended > 2 && ended < sessions && error.status == PENSEE_OUT_OF_MEMORY);
    CHECK(memcmp(ids, unbounded, (size_t)ended * sizeof *ids) == 0);
    printf("# %d of %d talks in %lld bytes, %lld of the heap\n", ended, (int)sessions, (long long)(needed / 2),
           (long long)(heap() - before));
  }
  CHECK(pensee_model_get_memory(model, &memory, &error) == PENSEE_OK);
  CHECK(memory.budget == needed / 2 && memory.used <= memory.budget);
  CHECK(heap() <= before + needed / 2 + uncounted);
  free_all(session, model);

  /* Too little for the weights: nothing is opened. */
  model = NULL;
  CHECK(open_model(path, &load, memory.weights - 1, &model, &error) == PENSEE_OUT_OF_MEMORY && model == NULL);
}

int main(int argc, char** argv) {
  int before;
  if (argc != 2) return 2;
  cancelled_load_leaves_nothing(argv[1]);
  printf("%s 1 - a load that is cancelled leaves nothing, wherever it is cancelled\n", failures ? "not ok" : "ok");
  before = failures;
  budget_is_kept(argv[1]);
  printf("%s 2 - a memory budget is kept\n", failures > before ? "not ok" : "ok");
  printf("%d passed, %d failed\n", failures ? 0 : 2, failures);
  return failures != 0;
}
