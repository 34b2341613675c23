/* What the library asks of the system: it opens the files that it was given, to read them, and nothing else; it writes
 * where the caller named a file, makes no socket and starts no process. A seccomp filter of Linux stops each such call
 * before it is carried out; the handler notes it and carries it out. Calls of the library's own threads count as well.
 *
 *   phone_quiet MODEL MODEL_FOLDER FOLDER      FOLDER: where a session is saved, and the only place to be written to
 * Ends with 77 where the system allows no filter. */
#define _GNU_SOURCE
#include "phone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

enum { calls_max = 4096, path_max = 256, ours = 0x70656e73 }; /* ours: the sixth argument of a call by the handler */

struct call { /* one that was stopped */
  long number;
  long flags; /* of an open */
  char path[2][path_max];
};
static struct call calls[calls_max];
static int calls_count; /* atomic */

/* Everything that opens, changes what a folder holds, reaches the network, or starts or signals a process. */
static const long watched[] = {
    SYS_openat,      SYS_openat2,        SYS_unlinkat,   SYS_renameat,      SYS_renameat2, SYS_mkdirat,    SYS_linkat,
    SYS_symlinkat,   SYS_mknodat,        SYS_fchmodat,   SYS_truncate,      SYS_setxattr,  SYS_utimensat,  SYS_socket,
    SYS_socketpair,  SYS_connect,        SYS_bind,       SYS_sendto,        SYS_sendmsg,   SYS_execve,     SYS_execveat,
    SYS_kill,        SYS_ptrace,         SYS_shmget,     SYS_memfd_create,  SYS_io_uring_setup,
#if defined(__x86_64__)
    SYS_open,        SYS_creat,          SYS_unlink,     SYS_rename,        SYS_mkdir,     SYS_rmdir,      SYS_link,
    SYS_symlink,     SYS_mknod,          SYS_chmod,      SYS_fork,          SYS_vfork,
#endif
};
enum { watched_count = sizeof watched / sizeof watched[0] };

static void note(long number, const long* argument) {
  const int at = __atomic_fetch_add(&calls_count, 1, __ATOMIC_SEQ_CST);
  struct call* call = &calls[at];
  if (at >= calls_max) return;
  call->number = number;
#if defined(__x86_64__)
  if (number == SYS_open) {
    strncpy(call->path[0], (const char*)argument[0], path_max - 1);
    call->flags = argument[1];
    return;
  }
  if (number == SYS_rename) {
    strncpy(call->path[0], (const char*)argument[0], path_max - 1);
    strncpy(call->path[1], (const char*)argument[1], path_max - 1);
    return;
  }
  if (number == SYS_unlink) strncpy(call->path[0], (const char*)argument[0], path_max - 1);
#endif
  if (number == SYS_openat || number == SYS_unlinkat || number == SYS_renameat || number == SYS_renameat2)
    strncpy(call->path[0], (const char*)argument[1], path_max - 1);
  if (number == SYS_renameat || number == SYS_renameat2) strncpy(call->path[1], (const char*)argument[3], path_max - 1);
  if (number == SYS_openat) call->flags = argument[2];
}

static void on_call(int signal, siginfo_t* info, void* context) {
  ucontext_t* at = context;
  const int saved = errno;
  long argument[5], result;
  (void)signal;
#if defined(__x86_64__)
  greg_t* registers = at->uc_mcontext.gregs;
  argument[0] = registers[REG_RDI], argument[1] = registers[REG_RSI], argument[2] = registers[REG_RDX];
  argument[3] = registers[REG_R10], argument[4] = registers[REG_R8];
#else
  int i;
  for (i = 0; i < 5; i++) argument[i] = (long)at->uc_mcontext.regs[i];
#endif
  note(info->si_syscall, argument);
  result = syscall(info->si_syscall, argument[0], argument[1], argument[2], argument[3], argument[4], (long)ours);
  if (result < 0) result = -errno;
#if defined(__x86_64__)
  registers[REG_RAX] = result;
#else
  at->uc_mcontext.regs[0] = (unsigned long)result;
#endif
  errno = saved;
}

/* For this thread and all that it starts. */
static int install_filter(void) {
  struct sock_filter filter[watched_count + 8];
  struct sock_fprog program = {0, filter};
  struct sigaction action;
  int n = 0, i;
  const struct sock_filter head[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ours, watched_count + 1, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
  };
  memcpy(filter, head, sizeof head);
  n = (int)(sizeof head / sizeof head[0]);
  for (i = 0; i < watched_count; i++, n++) {
    const struct sock_filter test =
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)watched[i], (unsigned char)(watched_count - i), 0);
    filter[n] = test;
  }
  filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
  program.len = (unsigned short)n;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_call;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (sigaction(SIGSYS, &action, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 0;
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int begins_with(const char* text, const char* begin) { return strncmp(text, begin, strlen(begin)) == 0; }

static int writes(const struct call* call) {
  const int opens = call->path[0][0] != '\0' && call->path[1][0] == '\0' && call->flags >= 0;
  return opens && (call->flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND)) != 0;
}

/* Calls [from, count) may open these two for reading, look at the machine, and change what lies in `folder`. */
static void judge(int from, const char* file, const char* model_folder, const char* folder) {
  int i;
  CHECK(calls_count < calls_max);
  for (i = from; i < calls_count && i < calls_max; i++) {
    const struct call* call = &calls[i];
    const int in_folder = folder != NULL && begins_with(call->path[0], folder) &&
                          (call->path[1][0] == '\0' || begins_with(call->path[1], folder));
    const int reads = call->path[0][0] != '\0' && call->path[1][0] == '\0' && !writes(call) &&
                      (strcmp(call->path[0], file) == 0 || begins_with(call->path[0], model_folder) ||
                       begins_with(call->path[0], "/sys/devices/system/cpu"));
    if (in_folder || reads) continue;
    failures++;
    printf("# call %ld %s %s (flags %lo)\n", call->number, call->path[0], call->path[1], (unsigned long)call->flags);
  }
}

/* Opened, streamed from, cancelled, scored, paused, trimmed. */
static void use(const char* path, const char* folder) {
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_model_options open_options = PENSEE_MODEL_OPTIONS_INIT;
  pensee_options options = greedy(60, 20);
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  pensee_model* model = NULL;
  pensee_session *session = NULL, *restored = NULL;
  pensee_stream* stream = NULL;
  const int32_t score[3] = {5, 6, 7};
  float logprobs[3];
  char saved[path_max];
  open_options.threads = 3;
  open_options.thread_priority = PENSEE_THREAD_PRIORITY_LOW;
  CHECK(pensee_model_open(path, &open_options, &model, &error) == PENSEE_OK);
  CHECK(pensee_session_new(model, &session, &error) == PENSEE_OK);
  prompt.ids = score;
  prompt.num_ids = 3;
  CHECK(pensee_stream_open(session, &prompt, &options, &stream, &error) == PENSEE_OK);
  pensee_model_pause(model);
  pensee_model_resume(model);
  pensee_stream_cancel(stream);
  pensee_stream_free(stream);
  CHECK(pensee_logprobs(model, score, 3, logprobs, &error) == PENSEE_OK);
  CHECK(pensee_model_set_threads(model, 2, &error) == PENSEE_OK);
  if (folder != NULL) {
    int32_t ids[64];
    snprintf(saved, sizeof saved, "%s/kept.session", folder);
    CHECK(stream_tokens(session, "Is 221 prime?", &options, ids, 64, &error) == 60);
    CHECK(pensee_session_save(session, saved, &error) == PENSEE_OK);
    CHECK(pensee_session_restore(model, saved, &restored, &error) == PENSEE_OK);
  }
  CHECK(pensee_model_trim(model, PENSEE_TRIM_SESSIONS, NULL, &error) == PENSEE_OK);
  pensee_session_free(restored);
  pensee_session_free(session);
  pensee_model_free(model);
}

int main(int argc, char** argv) {
  int before, wrote = 0, i;
  if (argc != 4) return 2;
  if (!install_filter()) {
    printf("skipped: this system allows no seccomp filter\n");
    return 77;
  }
  /* That the filter sees what it must: a file and a socket of our own. */
  close(open(argv[1], O_RDWR));
  close((int)syscall(SYS_socket, 1, 1, 0));
  CHECK(calls_count == 2 && writes(&calls[0]) && calls[1].number == SYS_socket);

  before = calls_count;
  use(argv[1], NULL);
  use(argv[2], NULL);
  judge(before, argv[1], argv[2], NULL);
  for (i = before; i < calls_count; i++) wrote += writes(&calls[i]);
  CHECK(calls_count > before && wrote == 0);
  printf("%s 1 - a model is opened and used: nothing is written, no socket is made (%d calls looked at)\n",
         failures ? "not ok" : "ok", calls_count - before);

  before = calls_count;
  use(argv[1], argv[3]);
  judge(before, argv[1], argv[2], argv[3]);
  for (i = before; i < calls_count; i++) wrote += writes(&calls[i]);
  CHECK(wrote >= 1);
  printf("%s 2 - a session is saved: all that is written lies in the folder that was named\n",
         failures ? "not ok" : "ok");
  printf("%d passed, %d failed\n", failures ? 0 : 2, failures);
  return failures != 0;
}
