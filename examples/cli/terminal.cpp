// Colours, progress and Ctrl-C by POSIX means. The signal handler does nothing but set a flag; the second time it
// restores the terminal with write(2), which is allowed there, and lets the signal kill.
#include "terminal.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "args.h"

namespace cli {
namespace {

volatile std::sig_atomic_t interrupts = 0;
struct sigaction previous_action;

void on_interrupt(int signal_number) {
  if (interrupts == 0) {
    interrupts = 1;
    return;
  }
  if (isatty(STDOUT_FILENO)) {
    const ssize_t ignored = write(STDOUT_FILENO, "\033[0m\n", 5);
    (void)ignored;
  }
  std::signal(signal_number, SIG_DFL);
  raise(signal_number);  // delivered when this handler returns
}

}  // namespace

bool is_terminal(int fd) { return isatty(fd) == 1; }

bool wants_color(ColorMode mode, int fd) {
  if (mode != ColorMode::automatic) return mode == ColorMode::always;
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  if ((no_color && *no_color) || (term && std::strcmp(term, "dumb") == 0)) return false;
  return is_terminal(fd);
}

void write_output(const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = write(STDOUT_FILENO, text.data() + done, text.size() - done);
    if (n >= 0) {
      done += static_cast<size_t>(n);
    } else if (errno == EPIPE) {
      throw OutputClosed{};
    } else if (errno != EINTR) {
      throw Failure(PENSEE_OK, std::string("cannot write to standard output: ") + std::strerror(errno));
    }
  }
}

std::string without_controls(const std::string& text) {
  std::string kept;
  kept.reserve(text.size());
  for (size_t i = 0; i < text.size(); i++) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (byte == 0xC2 && next >= 0x80 && next < 0xA0) {  // U+0080..U+009F, among them another escape
      i++;
    } else if ((byte >= 0x20 && byte != 0x7F) || byte == '\n' || byte == '\t') {
      kept.push_back(text[i]);
    }
  }
  return kept;
}

Interrupt::Interrupt() {
  interrupts = 0;
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &previous_action);
}

Interrupt::~Interrupt() { sigaction(SIGINT, &previous_action, nullptr); }

bool Interrupt::requested() { return interrupts != 0; }

ProgressBar::ProgressBar(std::string title) : title_(std::move(title)), visible_(is_terminal(STDERR_FILENO)) {}

ProgressBar::~ProgressBar() {
  if (visible_ && percent_ >= 0) std::fputs("\r\033[K", stderr);
}

void ProgressBar::show(float fraction) {
  const int percent = static_cast<int>(fraction * 100.0f);
  if (!visible_ || percent == percent_) return;
  percent_ = percent;
  constexpr int width = 30;
  const int filled = percent * width / 100;
  std::string bar(static_cast<size_t>(filled), '#');
  bar.resize(width, '.');
  std::fprintf(stderr, "\r%s [%s] %3d%%\033[K", title_.c_str(), bar.c_str(), percent);
}

}  // namespace cli
