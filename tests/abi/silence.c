/* P8: the library prints nothing, reads no environment and leaves the process as it found it. Standard output and error
 * are watched as files while models open, fail and generate, and so is what it opens for writing; that nothing is
 * imported that could print, exit, read the environment or make files in other ways is check_exports.py's matter. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"

/* In place of the C library's, for libpensee too: counts what is opened to be written, and not in `allowed`. */
static int writing, outside;
static const char* allowed = "";
__attribute__((visibility("default"))) int open(const char* path, int flags, ...) {
  va_list more;
  int mode = 0;
  va_start(more, flags);
  if (flags & O_CREAT) mode = va_arg(more, int);
  va_end(more);
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0) {
    writing++;
    outside += allowed[0] == '\0' || strncmp(path, allowed, strlen(allowed)) != 0;
  }
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static int nothing(void* user, const pensee_event* event) {
  (void)user;
  (void)event;
  return 0;
}

/* A day in the life: opens, fails, computes, streams, cancels. */
static void use_everything(void) {
  const char* names[] = {ABI_GGUF, ABI_MOE, ABI_FOLDER};
  const int32_t ids[4] = {5, 6, 7, 8};
  float logprobs[4];
  int i;
  for (i = 0; i < 3; i++) {
    pensee_model *model = abi_open(names[i]), *none = NULL;
    pensee_session* session = abi_session(model);
    const pensee_prompt prompt = abi_prompt();
    const pensee_options options = abi_greedy(20);
    pensee_stream* stream = NULL;
    pensee_model_open("no/such/file", NULL, &none, NULL);
    pensee_model_open_memory("GGUF", 4, NULL, &none, NULL);
    pensee_logprobs(model, ids, 4, logprobs, NULL);
    pensee_generate(session, &prompt, &options, nothing, NULL, NULL);
    pensee_stream_open(session, &prompt, &options, &stream, NULL);
    pensee_stream_cancel(stream);
    pensee_stream_free(stream);
    pensee_session_free(session);
    pensee_model_free(model);
  }
}

static void prints_nothing(void) {
  char path[] = "/tmp/pensee-abi-XXXXXX";
  const int file = mkstemp(path);
  const int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
  fflush(NULL);
  dup2(file, STDOUT_FILENO);
  dup2(file, STDERR_FILENO);
  use_everything();
  fflush(NULL);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  close(out);
  close(err);
  CHECK(lseek(file, 0, SEEK_END) == 0);
  close(file);
  remove(path);
}

static void only_what_is_named_is_written(void) {
  char folder[] = "/tmp/pensee-abi-XXXXXX", path[64];
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_session *session = abi_session(model), *restored = NULL;
  const pensee_prompt prompt = abi_prompt();
  const pensee_options options = abi_greedy(5);
  pensee_error err;
  CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/saved", folder);
  writing = outside = 0;
  use_everything();
  CHECK(writing == 0);
  allowed = folder;
  EXPECT(PENSEE_OK, err, pensee_generate(session, &prompt, &options, nothing, NULL, &err));
  EXPECT(PENSEE_OK, err, pensee_session_save(session, path, &err));
  EXPECT(PENSEE_OK, err, pensee_session_restore(model, path, &restored, &err));
  CHECK(writing > 0 && outside == 0);
  allowed = "";
  CHECK(unlink(path) == 0 && rmdir(folder) == 0); /* and nothing else was in it */
  pensee_session_free(restored);
  pensee_session_free(session);
  pensee_model_free(model);
}

static void environment_is_not_read(void) {
  static const char* const names[] = {"PENSEE_THREADS", "OMP_NUM_THREADS", "PENSEE_LOG", "PENSEE_ISA"};
  pensee_model_info before = PENSEE_MODEL_INFO_INIT, after = PENSEE_MODEL_INFO_INIT;
  pensee_model* model = NULL;
  size_t i;
  CHECK(pensee_model_open(abi_path(ABI_GGUF), NULL, &model, NULL) == PENSEE_OK);
  CHECK(pensee_model_get_info(model, &before, NULL) == PENSEE_OK);
  for (i = 0; i < sizeof names / sizeof names[0]; i++) setenv(names[i], "1", 1);
  {
    pensee_model* second = NULL;
    CHECK(pensee_model_open(abi_path(ABI_GGUF), NULL, &second, NULL) == PENSEE_OK);
    CHECK(pensee_model_get_info(second, &after, NULL) == PENSEE_OK);
    CHECK(before.threads == after.threads && strcmp(before.isa, after.isa) == 0);
    pensee_model_free(second);
  }
  for (i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
  pensee_model_free(model);
}

static void signals_stay(void) {
  struct sigaction before[65], after;
  sigset_t mask_before, mask_after;
  int n;
  memset(before, 0, sizeof before);
  for (n = 1; n < 65; n++) sigaction(n, NULL, &before[n]);
  sigprocmask(SIG_SETMASK, NULL, &mask_before);
  use_everything();
  for (n = 1; n < 65; n++) {
    memset(&after, 0, sizeof after);
    if (sigaction(n, NULL, &after) == 0) CHECK(after.sa_handler == before[n].sa_handler);
  }
  sigprocmask(SIG_SETMASK, NULL, &mask_after);
  for (n = 1; n < 65; n++) CHECK(sigismember(&mask_before, n) == sigismember(&mask_after, n));
}

static void thread_stays(void) {
  cpu_set_t before, after;
  char locale[64], folder[2][1024];
  const int rounding = fegetround();
  volatile float tiny = 1e-39f; /* denormal: zero where the mode was changed to flush */
  snprintf(locale, sizeof locale, "%s", setlocale(LC_ALL, NULL));
  CHECK(getcwd(folder[0], sizeof folder[0]) != NULL);
  CHECK(sched_getaffinity(0, sizeof before, &before) == 0);
  use_everything();
  CHECK(sched_getaffinity(0, sizeof after, &after) == 0);
  CHECK(CPU_EQUAL(&before, &after));
  CHECK(fegetround() == rounding && tiny * 0.5f > 0);
  CHECK(strcmp(locale, setlocale(LC_ALL, NULL)) == 0);
  CHECK(getcwd(folder[1], sizeof folder[1]) != NULL && strcmp(folder[0], folder[1]) == 0);
}

static int open_descriptors(void) {
  int count = 0;
  DIR* folder = opendir("/proc/self/fd");
  if (folder == NULL) return 0;
  while (readdir(folder) != NULL) count++;
  closedir(folder);
  return count;
}

static int live_threads(void) {
  int count = 0;
  DIR* folder = opendir("/proc/self/task");
  if (folder == NULL) return 0;
  while (readdir(folder) != NULL) count++;
  closedir(folder);
  return count;
}

static void nothing_stays_behind(void) {
  int descriptors, threads;
  use_everything();
  descriptors = open_descriptors();
  threads = live_threads();
  use_everything();
  CHECK(open_descriptors() == descriptors);
  CHECK(live_threads() == threads);
}

static void speak(void* user, int32_t level, const char* text) {
  CHECK(level >= PENSEE_LOG_DEBUG && level <= PENSEE_LOG_WARNING && text != NULL);
  ++*(int*)user;
}

static void log_speaks_to_its_user(void) {
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  pensee_model* model = NULL;
  int lines = 0;
  options.log = speak;
  options.log_user = &lines;
  CHECK(pensee_model_open(abi_path(ABI_MOE), &options, &model, NULL) == PENSEE_OK);
  pensee_model_free(model);
}

const abi_case abi_silence[] = {{"nothing is printed", prints_nothing},
                                {"no file is written but what save names", only_what_is_named_is_written},
                                {"the environment changes nothing", environment_is_not_read},
                                {"signal handlers and masks stay", signals_stay},
                                {"affinity, rounding, denormals, locale and folder stay", thread_stays},
                                {"no descriptor and no thread stays behind", nothing_stays_behind},
                                {"the log goes to its callback", log_speaks_to_its_user},
                                {NULL, NULL}};
