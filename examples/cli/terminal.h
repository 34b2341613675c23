// What depends on a person sitting in front: colours, the progress bar, Ctrl-C. Nothing of it happens in a pipe.
#pragma once

#include <string>

namespace cli {

enum class ColorMode { automatic, always, never };

// automatic: a terminal that is not "dumb", and no NO_COLOR (no-color.org) in the environment.
bool wants_color(ColorMode mode, int fd);
bool is_terminal(int fd);

inline constexpr const char* style_thought = "\033[2m";  // dim
inline constexpr const char* style_answer = "\033[1m";   // bold
inline constexpr const char* style_reset = "\033[0m";

// Standard output was closed by its reader ("| head"): the command stops quietly.
struct OutputClosed {};
// Writes all of it at once, unbuffered; a full disk is a Failure.
void write_output(const std::string& text);

// Without what could steer a terminal: a model's text is not to be trusted with escape sequences.
std::string without_controls(const std::string& text);

// While it lives, the first Ctrl-C only raises a flag; the second resets the colours and ends the process.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  static bool requested();
};

// One line on standard error that is drawn over and, at the end, wiped.
class ProgressBar {
 public:
  explicit ProgressBar(std::string title);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  void show(float fraction);

 private:
  std::string title_;
  bool visible_;
  int percent_ = -1;
};

}  // namespace cli
