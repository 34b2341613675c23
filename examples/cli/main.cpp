// pensee: the library on the command line. This file picks the command and turns what it throws into one line on
// standard error and an exit code: 0 well, 1 failed, 2 used wrongly, 130 stopped by Ctrl-C, 141 as if by SIGPIPE.
#include <pensee/pensee.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

#include "args.h"
#include "commands.h"
#include "terminal.h"

namespace {

constexpr int exit_output_closed = 141;  // 128 + SIGPIPE

struct Row {
  const char* name;
  int (*run)(int argc, char** argv);
  const char* summary;
};
constexpr Row commands[] = {
    {"run", cli::run_command, "ask one question; the thought and the answer appear as they come"},
    {"chat", cli::chat_command, "talk; the conversation is kept"},
    {"evaluate", cli::evaluate_command, "ask a file of problems and count the right answers"},
    {"inspect", cli::inspect_command, "say what a model is, without loading its weights"},
    {"pack", cli::pack_command, "save a model so that it opens in milliseconds"},
    {"tokenize", cli::tokenize_command, "show the tokens of a text"},
    {"bench", cli::bench_command, "measure speed and memory of each backend"},
};

void print_usage(std::FILE* to) {
  std::fputs("usage: pensee COMMAND [OPTION]... [ARGUMENT]...\n\nReasoning models on the CPU.\n\n", to);
  for (const Row& row : commands) std::fprintf(to, "  %-10s %s\n", row.name, row.summary);
  std::fputs(
      "\n`pensee COMMAND --help` lists the options of a command; `pensee --version` tells the version.\n"
      "MODEL is a GGUF file, a .safetensors file beside its config.json, a Hugging Face folder, or a file of `pensee\n"
      "pack`; where it may be left out, the default model, which comes with the library.\n",
      to);
}

int usage_error(const char* command, const char* message) {
  std::fprintf(stderr, "pensee: %s\n", message);
  if (command) {
    std::fprintf(stderr, "Try `pensee %s --help`.\n", command);
  } else {
    print_usage(stderr);
  }
  return cli::exit_usage;
}

int run_row(const Row& row, int argc, char** argv) {
  try {
    return row.run(argc, argv);
  } catch (const cli::UsageError& error) {
    return usage_error(row.name, error.what());
  } catch (const cli::OutputClosed&) {
    return exit_output_closed;
  } catch (const cli::Failure& error) {
    if (error.status == PENSEE_CANCELLED && cli::Interrupt::requested()) return cli::exit_interrupted;
    const char* name = error.status == PENSEE_OK ? "" : pensee_status_name(error.status);
    std::fprintf(stderr, "pensee: %s%s%s\n", name, *name ? ": " : "", error.what());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pensee: %s\n", error.what());
  }
  return cli::exit_failure;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write(2) then
  if (argc < 2) {
    print_usage(stderr);
    return cli::exit_usage;
  }
  const char* name = argv[1];
  if (std::strcmp(name, "--version") == 0) {
    std::printf("pensee %s\n", pensee_version_text());
    return cli::exit_ok;
  }
  if (std::strcmp(name, "--help") == 0 || std::strcmp(name, "-h") == 0 || std::strcmp(name, "help") == 0) {
    print_usage(stdout);
    return cli::exit_ok;
  }
  for (const Row& row : commands) {
    if (std::strcmp(name, row.name) == 0) return run_row(row, argc - 1, argv + 1);
  }
  char message[160];
  std::snprintf(message, sizeof message, "no command '%.100s'", name);
  return usage_error(nullptr, message);
}
