// Asks a model one question through the C++ face; a range-for over the stream is the whole of it.
//
//   ask MODEL "Is 221 prime?"
#include <cstdio>
#include <exception>
#include <pensee/pensee.hpp>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s MODEL QUESTION\n", argv[0]);
    return 2;
  }
  try {
    const pensee::Model model(argv[1]);
    pensee::Options options;
    options.max_tokens = 2000;
    pensee::Session session(model);
    for (const pensee::Event& event : session.stream(argv[2], options)) {
      if (event.kind == PENSEE_EVENT_END) {
        std::printf("\033[0m\n%.1f tokens/s\n", event.usage.tokens_per_second);
      } else {
        std::printf("%s%s", event.kind == PENSEE_EVENT_THOUGHT ? "\033[0;2m" : "\033[0;1m", event.text.c_str());
      }
      std::fflush(stdout);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
