// As app.c, through pensee.hpp.
#include <cstdio>
#include <exception>
#include <pensee/pensee.hpp>

int main(int argc, char** argv) {
  if (pensee_version() != PENSEE_VERSION || argc != 2) return 2;
  try {
    std::printf("%s:", pensee_version_text());
    const pensee::Model model = argv[1][0] ? pensee::Model(argv[1]) : pensee::Model();
    pensee::Options options;
    options.temperature = 0;
    options.max_tokens = 8;
    options.ignore_eos = 1;
    pensee::Session session(model);
    for (const pensee::Event& event : session.stream(pensee::Prompt::token_ids({5, 17, 40, 3}), options)) {
      if (event.token_id >= 0) std::printf(" %d", static_cast<int>(event.token_id));
    }
    std::printf("\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
