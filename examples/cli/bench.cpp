// `pensee bench`: the printing half. A decoded token reads every active weight once, so tokens/s times the bytes of
// those weights is the rate at which memory was read, and its share of what the machine can read says how much is left
// to win. Rows are printed as they come.
#include "bench.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

#include "commands.h"
#include "json_writer.h"
#include "machine.h"

namespace cli {
namespace {

const std::vector<Choice> backend_names = {
    {"auto", PENSEE_BACKEND_AUTO},
    {"native", PENSEE_BACKEND_NATIVE},
    {"onednn", PENSEE_BACKEND_ONEDNN},
    {"blas", PENSEE_BACKEND_BLAS}};

const char* backend_name(int32_t backend) {
  for (const Choice& choice : backend_names) {
    if (choice.value == backend) return choice.name;
  }
  return "auto";
}

Flags bench_flags(BenchSettings& s) {
  Flags flags = {
      {"prompt", "N", "tokens of the timed prompt (default 512)",
       [&s](const char* v) { s.prompt = parse_integer("--prompt", v, 1, 1 << 24); }},
      {"tokens", "N", "tokens decoded (default 64)",
       [&s](const char* v) { s.tokens = parse_integer("--tokens", v, 1, 1 << 24); }},
      {"depth", "N,N,..", "tokens before the timed ones (default 0)",
       [&s](const char* v) {
         s.depths.clear();
         for (const std::string& part : split_commas(v)) s.depths.push_back(parse_integer("--depth", part, 0, 1 << 24));
         std::sort(s.depths.begin(), s.depths.end());  // each continues the one before
       }},
      {"backends", "NAME,..", "all (default): native, onednn, blas; or some of these and auto",
       [&s](const char* v) {
         if (std::strcmp(v, "all") == 0) return;
         s.backends.clear();
         for (const std::string& part : split_commas(v)) {
           s.backends.push_back(parse_choice("--backends", part, backend_names));
         }
       }},
      {"repeat", "N", "times that each is measured; the best counts (default 3)",
       [&s](const char* v) { s.repeat = static_cast<int32_t>(parse_integer("--repeat", v, 1, 1000)); }},
      {"json", nullptr, "one JSON object a line: the machine, then each measurement",
       [&s](const char*) { s.json = true; }},
      {"tune", nullptr, "measure the backends on the model's matrices instead: which is fastest for how many rows",
       [&s](const char*) { s.tune = true; }},
      {"tune-file", "FILE", "the same, kept for --tuning-file",
       [&s](const char* v) {
         s.tune = true;
         s.tune_file = v;
       }},
  };
  add_model_flags(flags, s.model);
  return flags;
}

int cpu_count() { return std::max(1u, std::thread::hardware_concurrency()); }

std::string build_name() {
#ifdef __clang__
  return std::string(__VERSION__) + " " + PENSEE_CLI_BUILD;
#else
  return std::string("gcc ") + __VERSION__ + " " + PENSEE_CLI_BUILD;
#endif
}

void print_machine(const BenchSettings& s, const std::string& isa, int threads, double bandwidth) {
  if (s.json) {
    JsonWriter json;
    json.begin_object().member("cpu", cpu_model()).member("isa", isa).member("threads", threads);
    json.member("read_bytes_per_second", bandwidth).member("version", pensee_version_text());
    json.member("build", build_name()).member("file", s.path);
    json.member("prompt", s.prompt).member("tokens", s.tokens).member("repeat", s.repeat);
    return write_output(json.end_object().line());
  }
  char text[1024];
  std::snprintf(text, sizeof text,
                "pensee %s, %s\n%s, %s, %d threads, memory read at %.1f GB/s\n%s\n"
                "prompt %lld, decode %lld, best of %d; GB/s: weights read while decoding, and their share of the "
                "memory's rate\n\n",
                pensee_version_text(), build_name().c_str(), cpu_model().c_str(), isa.c_str(), threads, bandwidth / 1e9,
                s.path.c_str(), static_cast<long long>(s.prompt), static_cast<long long>(s.tokens), s.repeat);
  write_output(text);
  std::snprintf(text, sizeof text, "| %-7s | %-12s | %6s | %6s | %10s | %10s | %6s | %5s | %8s | %-16s |\n", "backend",
                "isa", "depth", "load s", "prompt t/s", "decode t/s", "GB/s", "share", "peak", "tokens' hash");
  write_output(text);
  write_output(
      "|---------|--------------|-------:|-------:|-----------:|-----------:|-------:|------:|---------:|"
      "------------------|\n");
}

void print_row_json(int32_t backend, const BenchRow& row, double bandwidth) {
  JsonWriter json;
  json.begin_object().member("backend", backend_name(backend)).member("depth", row.depth);
  if (row.kind != BenchRow::measured) {
    json.member(row.kind == BenchRow::skipped ? "skipped" : "error", row.message);
    return write_output(json.end_object().line());
  }
  const double rate = row.tokens_per_second * static_cast<double>(row.active_weight_bytes);
  char hash[24];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(row.hash));
  json.member("isa", row.isa).member("threads", row.threads).member("load_seconds", row.load_seconds);
  json.member("prompt_tokens_per_second", row.prompt_tokens_per_second);
  json.member("tokens_per_second", row.tokens_per_second);
  json.member("active_weight_bytes", row.active_weight_bytes).member("weight_bytes_per_second", rate);
  json.member("share_of_read_bandwidth", bandwidth > 0 ? rate / bandwidth : 0.0);
  json.member("peak_memory_bytes", row.peak_memory_bytes);
  json.member("token_hash", hash).member("repeatable", row.repeatable != 0);
  write_output(json.end_object().line());
}

void print_row(const BenchSettings& s, int32_t backend, const BenchRow& row, double bandwidth) {
  if (s.json) return print_row_json(backend, row, bandwidth);
  char text[800];
  if (row.kind != BenchRow::measured) {
    std::snprintf(text, sizeof text, "| %-7s | %-12s | %6lld | %s\n", backend_name(backend), row.isa,
                  static_cast<long long>(row.depth), row.message);
    return write_output(text);
  }
  const double rate = row.tokens_per_second * static_cast<double>(row.active_weight_bytes);
  std::snprintf(
      text, sizeof text, "| %-7s | %-12s | %6lld | %6.2f | %10.1f | %10.2f | %6.2f | %4.0f%% | %8s | %016llx%s |\n",
      backend_name(backend), row.isa, static_cast<long long>(row.depth), row.load_seconds, row.prompt_tokens_per_second,
      row.tokens_per_second, rate / 1e9, bandwidth > 0 ? 100 * rate / bandwidth : 0.0,
      short_bytes(static_cast<double>(row.peak_memory_bytes)).c_str(), static_cast<unsigned long long>(row.hash),
      row.repeatable ? "" : " VARIES");
  write_output(text);
}

// Whether a whole row came.
bool receive(int pipe_fd, BenchRow& row) {
  char* bytes = reinterpret_cast<char*>(&row);
  for (size_t done = 0; done < sizeof row;) {
    const ssize_t n = read(pipe_fd, bytes + done, sizeof row - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

// Returns false when the backend failed; that it is not built in is no failure.
bool bench_backend(const BenchSettings& s, int32_t backend, double bandwidth) {
  int ends[2];
  if (pipe(ends) != 0) throw Failure(PENSEE_OK, std::string("pipe: ") + std::strerror(errno));
  std::fflush(nullptr);
  const pid_t child = fork();  // no thread of ours is alive here
  if (child < 0) throw Failure(PENSEE_OK, std::string("fork: ") + std::strerror(errno));
  if (child == 0) {
    close(ends[0]);
    measure_backend(s, backend, ends[1]);
    _exit(exit_ok);
  }
  close(ends[1]);
  bool good = true;
  for (BenchRow row; receive(ends[0], row);) {
    print_row(s, backend, row, bandwidth);
    if (row.kind == BenchRow::failed) good = false;
  }
  close(ends[0]);
  int state = 0;
  while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(state)) {
    BenchRow row;
    std::snprintf(row.message, sizeof row.message, "the measuring process died of signal %d", WTERMSIG(state));
    print_row(s, backend, row, bandwidth);
    good = false;
  }
  return good;
}

}  // namespace

int bench_command(int argc, char** argv) {
  BenchSettings s;
  const Command command = {"bench", "[OPTION]... MODEL",
                           "Measures each backend on random tokens: loading, reading a prompt, decoding, memory."};
  std::vector<std::string> positionals;
  if (!parse(command, bench_flags(s), argc, argv, positionals)) return exit_ok;
  if (positionals.size() != 1) throw UsageError(positionals.empty() ? "no MODEL" : "more than one MODEL");
  s.path = positionals[0];
  if (s.tune) return tune_backends(s);
  if (s.model.options.backend != PENSEE_BACKEND_AUTO) s.backends = {s.model.options.backend};

  int threads = s.model.options.threads;
  std::string isa;
  {  // a wrong path or option is said before anything is measured
    ModelSettings headers_only = s.model;
    headers_only.options.skip_weights = 1;
    headers_only.options.backend = PENSEE_BACKEND_AUTO;
    const ModelHandle model = open_model(s.path.c_str(), headers_only);
    const pensee_model_info info = model_info(model);
    isa = info.isa;
    if (threads == 0) threads = info.threads > 0 ? info.threads : cpu_count();
  }
  const double bandwidth = read_bandwidth(threads);
  print_machine(s, isa, threads, bandwidth);
  bool good = true;
  for (const int32_t backend : s.backends) good = bench_backend(s, backend, bandwidth) && good;
  return good ? exit_ok : exit_failure;
}

}  // namespace cli
