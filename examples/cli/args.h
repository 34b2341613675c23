// Command-line options as a table: a flag is a row with its name, its value and its sentence in --help, so that the
// help cannot forget what the parser knows. getopt_long does the splitting; what it does not do is here: messages that
// name the option, and numbers that are checked to their last character.
//
// Mistakes of the user are UsageError (exit code 2), everything else that goes wrong is Failure (exit code 1).
#pragma once

#include <pensee/pensee.h>

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace cli {

inline constexpr int exit_ok = 0;
inline constexpr int exit_failure = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_interrupted = 130;  // 128 + SIGINT, as a shell reports it

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Failure : std::runtime_error {
  Failure(pensee_status status_, const std::string& message) : std::runtime_error(message), status(status_) {}
  pensee_status status;  // PENSEE_OK: not the library's
};

struct Flag {
  const char* name;   // without the dashes; "" begins a section, whose title is `help`
  const char* value;  // how --help calls the value; nullptr: the flag takes none
  const char* help;
  std::function<void(const char* value)> set;  // `value` lives as long as argv
};
using Flags = std::vector<Flag>;

struct Command {
  const char* name;
  const char* usage;    // "MODEL [QUESTION]"
  const char* summary;  // one or more whole lines
};

// Splits argv (argv[0] is the command's name). Returns false after it has printed the help that --help asks for.
bool parse(const Command& command, const Flags& flags, int argc, char** argv, std::vector<std::string>& positionals);

std::string usage_line(const Command& command);

// All of `text` as a number between the bounds, else UsageError that names `what`.
int64_t parse_integer(const char* what, const std::string& text, int64_t min, int64_t max);
double parse_real(const char* what, const std::string& text, double min, double max);
uint64_t parse_unsigned(const char* what, const std::string& text);
// "512M", "8G", "8GiB": powers of 1024.
uint64_t parse_bytes(const char* what, const std::string& text);
std::vector<int32_t> parse_ids(const char* what, const std::string& text);
std::vector<std::string> split_commas(const std::string& text);

struct Choice {
  const char* name;
  int32_t value;
};
int32_t parse_choice(const char* what, const std::string& text, const std::vector<Choice>& choices);

}  // namespace cli
