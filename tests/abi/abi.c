/* Runs the tests of the promises that are named on the command line (P1 P2 ..; none: all) and prints a line for each
 * test, in the form of TAP, then how many passed. */
#include "abi.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
  const char* promise;
  const abi_case* cases;
} promises[] = {{"P1", abi_errors}, {"P2", abi_inputs},  {"P3", abi_threads}, {"P4", abi_lifetimes},
                {"P5", abi_text},   {"P6", abi_structs}, {"P7", abi_growth},  {"P8", abi_silence}};

static bool case_failed;

void abi_check(bool holds, const char* what, const char* file, int line) {
  if (holds) return;
  case_failed = true;
  fprintf(stderr, "# %s:%d: %s does not hold\n", file, line, what);
}

void abi_reset(pensee_error* err) {
  memset(err, 0, sizeof *err);
  err->struct_size = sizeof *err;
}

bool abi_status(pensee_status got, pensee_status wanted, const pensee_error* err, const char* what, const char* file,
                int line) {
  bool good = got == wanted;
  if (got != PENSEE_OK && (err->status != got || err->message[0] == '\0')) good = false;
  if (memchr(err->message, 0, sizeof err->message) == NULL) good = false;
  if (good && !abi_valid_utf8(err->message, strlen(err->message))) good = false;
  if (good) return true;
  case_failed = true;
  fprintf(stderr, "# %s:%d: %s\n#   returned %s, wanted %s; error.status %d, message '%.*s'\n", file, line, what,
          pensee_status_name(got), pensee_status_name(wanted), (int)err->status, (int)sizeof err->message,
          err->message);
  return false;
}

bool abi_valid_utf8(const char* text, size_t length) {
  const unsigned char* s = (const unsigned char*)text;
  size_t i = 0, k;
  while (i < length) {
    size_t n = s[i] < 0x80                   ? 1
               : s[i] >= 0xC2 && s[i] < 0xE0 ? 2
               : s[i] >= 0xE0 && s[i] < 0xF0 ? 3
               : s[i] >= 0xF0 && s[i] < 0xF5 ? 4
                                             : 0;
    if (n == 0 || i + n > length) return false;
    for (k = 1; k < n; k++) {
      if ((s[i + k] & 0xC0) != 0x80) return false;
    }
    if ((s[i] == 0xE0 && s[i + 1] < 0xA0) || (s[i] == 0xED && s[i + 1] > 0x9F) || (s[i] == 0xF0 && s[i + 1] < 0x90) ||
        (s[i] == 0xF4 && s[i + 1] > 0x8F))
      return false;
    i += n;
  }
  return true;
}

static void give_up(const char* what, const char* why) {
  printf("Bail out! %s: %s\n", what, why);
  exit(1);
}

const char* abi_path(const char* name) {
  static char paths[4][1024];
  static int next;
  char* path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", ABI_DATA, name);
  return path;
}

char* abi_read(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  char* bytes = NULL;
  long length = 0;
  if (file == NULL) give_up(path, "cannot be opened");
  if (fseek(file, 0, SEEK_END) == 0) length = ftell(file);
  rewind(file);
  bytes = malloc(length > 0 ? (size_t)length : 1);
  if (bytes == NULL || length <= 0 || fread(bytes, 1, (size_t)length, file) != (size_t)length)
    give_up(path, "cannot be read");
  fclose(file);
  *size = (size_t)length;
  return bytes;
}

pensee_model* abi_open(const char* name) {
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  pensee_error err = PENSEE_ERROR_INIT;
  pensee_model* model = NULL;
  options.threads = 2;
  if (pensee_model_open(abi_path(name), &options, &model, &err) != PENSEE_OK) give_up(name, err.message);
  return model;
}

pensee_session* abi_session(pensee_model* model) {
  pensee_error err = PENSEE_ERROR_INIT;
  pensee_session* session = NULL;
  if (pensee_session_new(model, &session, &err) != PENSEE_OK) give_up("pensee_session_new", err.message);
  return session;
}

pensee_prompt abi_prompt(void) {
  static const int32_t ids[abi_prompt_ids] = {5, 17, 99, 42, 7, 123};
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  prompt.ids = ids;
  prompt.num_ids = abi_prompt_ids;
  return prompt;
}

pensee_options abi_greedy(int64_t max_tokens) {
  pensee_options options = PENSEE_OPTIONS_INIT;
  options.temperature = 0;
  options.max_tokens = max_tokens;
  options.ignore_eos = 1;
  return options;
}

int abi_generate(pensee_session* session, int64_t max_tokens, int32_t* ids) {
  const pensee_prompt prompt = abi_prompt();
  const pensee_options options = abi_greedy(max_tokens);
  pensee_error err = PENSEE_ERROR_INIT;
  pensee_reply* reply = NULL;
  size_t count = 0;
  const int32_t* produced;
  if (!EXPECT(PENSEE_OK, err, pensee_session_ask(session, &prompt, &options, &reply, &err))) return -1;
  produced = pensee_reply_token_ids(reply, &count);
  CHECK(count <= 64);
  if (count > 0 && count <= 64) memcpy(ids, produced, count * sizeof *ids);
  pensee_reply_free(reply);
  return count <= 64 ? (int)count : -1;
}

bool abi_still_works(pensee_session* session, const int32_t* expected, int max_tokens) {
  int32_t ids[64];
  const int count = abi_generate(session, max_tokens, ids);
  const bool same = count == max_tokens && memcmp(ids, expected, (size_t)max_tokens * sizeof *ids) == 0;
  CHECK(same);
  return same;
}

int main(int argc, char** argv) {
  int passed = 0, failed = 0;
  size_t p;
  for (p = 0; p < sizeof promises / sizeof promises[0]; p++) {
    const abi_case* test;
    bool wanted = argc < 2;
    int i;
    for (i = 1; i < argc; i++) wanted = wanted || strcmp(argv[i], promises[p].promise) == 0;
    for (test = promises[p].cases; wanted && test->sentence != NULL; test++) {
      case_failed = false;
      test->run();
      if (case_failed) failed++;
      if (!case_failed) passed++;
      printf("%s %d - %s: %s\n", case_failed ? "not ok" : "ok", passed + failed, promises[p].promise, test->sentence);
      fflush(stdout);
    }
  }
  printf("1..%d\n%d passed, %d failed\n", passed + failed, passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
