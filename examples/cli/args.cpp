// getopt_long behind a table of flags, and the parsers of values. No locale is ever set in this program, so strtod
// reads a point as the decimal mark.
#include "args.h"

#include <getopt.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace cli {
namespace {

void print_help(const Command& command, const Flags& flags) {
  std::printf("%s\n\n%s\n", usage_line(command).c_str(), command.summary);
  for (const Flag& flag : flags) {
    if (flag.name[0] == '\0') {
      std::printf("\n%s\n", flag.help);
      continue;
    }
    std::string left = std::string("--") + flag.name;
    if (flag.value) left += std::string(" ") + flag.value;
    std::printf("  %-26s %s\n", left.c_str(), flag.help);
  }
  std::printf("  %-26s %s\n", "--help", "this text");
}

// What getopt_long calls '?' or ':' in words.
[[noreturn]] void complain(int code, char** argv) {
  std::string name = optopt != 0 && optopt < 128 ? std::string("-") + static_cast<char>(optopt) : argv[optind - 1];
  if (code == ':') throw UsageError("option '" + std::string(argv[optind - 1]) + "' needs a value");
  const size_t equals = name.find('=');
  const bool has_value = optopt >= 128 && equals != std::string::npos;
  throw UsageError(has_value ? "option '" + name.substr(0, equals) + "' takes no value"
                             : "unknown or ambiguous option '" + name + "'");
}

[[noreturn]] void bad_value(const char* what, const std::string& text, const std::string& wanted) {
  throw UsageError(std::string(what) + ": '" + text + "' is not " + wanted);
}

}  // namespace

std::string usage_line(const Command& command) {
  return std::string("usage: pensee ") + command.name + " " + command.usage;
}

bool parse(const Command& command, const Flags& flags, int argc, char** argv, std::vector<std::string>& positionals) {
  constexpr int first_code = 256;  // beyond every character
  constexpr int help_code = 255;
  std::vector<option> table;
  table.push_back({"help", no_argument, nullptr, help_code});
  for (size_t i = 0; i < flags.size(); i++) {
    if (flags[i].name[0] == '\0') continue;
    const int kind = flags[i].value ? required_argument : no_argument;
    table.push_back({flags[i].name, kind, nullptr, first_code + static_cast<int>(i)});
  }
  table.push_back({nullptr, 0, nullptr, 0});
  opterr = 0;
  for (int code; (code = getopt_long(argc, argv, ":h", table.data(), nullptr)) != -1;) {
    if (code == '?' || code == ':') complain(code, argv);
    if (code == help_code || code == 'h') {
      print_help(command, flags);
      return false;
    }
    flags[code - first_code].set(optarg);
  }
  positionals.assign(argv + optind, argv + argc);
  return true;
}

int64_t parse_integer(const char* what, const std::string& text, int64_t min, int64_t max) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max) {
    const bool open = max == INT64_MAX;
    bad_value(what, text,
              "a whole number " + (open ? "from " + std::to_string(min)
                                        : "between " + std::to_string(min) + " and " + std::to_string(max)));
  }
  return value;
}

uint64_t parse_unsigned(const char* what, const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) bad_value(what, text, "a whole number from 0");
  return value;
}

double parse_real(const char* what, const std::string& text, double min, double max) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value) || value < min || value > max) {
    char wanted[64];
    std::snprintf(wanted, sizeof wanted, "a number between %g and %g", min, max);
    bad_value(what, text, wanted);
  }
  return value;
}

uint64_t parse_bytes(const char* what, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  int power = 0;
  if (end != text.c_str() && *end != '\0') {
    const char* letter = std::strchr("KMGT", std::toupper(static_cast<unsigned char>(*end)));
    if (letter) {
      power = static_cast<int>(letter - "KMGT") + 1;
      end++;
    }
    if (power > 0 && (*end == 'i' || *end == 'I')) end++;
    if (*end == 'b' || *end == 'B') end++;
  }
  const double bytes = std::ldexp(value, 10 * power);
  if (end == text.c_str() || *end != '\0' || !(bytes >= 0) || bytes >= 0x1p63) {
    bad_value(what, text, "a number of bytes, as in 512M or 8G");
  }
  return static_cast<uint64_t>(bytes);
}

std::vector<std::string> split_commas(const std::string& text) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t comma; (comma = text.find(',', begin)) != std::string::npos; begin = comma + 1) {
    parts.push_back(text.substr(begin, comma - begin));
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::vector<int32_t> parse_ids(const char* what, const std::string& text) {
  std::vector<int32_t> ids;
  for (std::string part : split_commas(text)) {
    part.erase(0, part.find_first_not_of(' '));
    part.erase(part.find_last_not_of(' ') + 1);
    ids.push_back(static_cast<int32_t>(parse_integer(what, part, INT32_MIN, INT32_MAX)));
  }
  return ids;
}

int32_t parse_choice(const char* what, const std::string& text, const std::vector<Choice>& choices) {
  std::string names;
  for (const Choice& choice : choices) {
    if (text == choice.name) return choice.value;
    names += (names.empty() ? "" : ", ") + std::string(choice.name);
  }
  bad_value(what, text, "one of " + names);
}

}  // namespace cli
