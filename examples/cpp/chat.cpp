// A conversation: questions come from the standard input, one a line; the thought is shown dimmed, then the answer. The
// session gets the whole conversation each time and computes only what is new. The same program stands beside this one
// in C, Python, Java and C#.
//
//   chat MODEL [MAX_TOKENS [SEED]]        MAX_TOKENS: of each reply, 1000 by default; SEED: same seed, same text
#include <cstdio>
#include <exception>
#include <iostream>
#include <pensee/pensee.hpp>
#include <string>

namespace {

std::string message(const std::string& role, const std::string& content) {
  std::string json = "{\"role\": \"" + role + "\", \"content\": \"";
  for (const char c : content) {
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    const bool is_plain = static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
    json += is_plain ? std::string(1, c) : std::string(escape);
  }
  return json + "\"}";
}

// One reply, shown as it comes. Returns its answer.
std::string take_turn(pensee::Session& session, const std::string& messages, const pensee::Options& options) {
  std::string answer;
  int shown = 0;  // the kind of what was printed last
  for (const pensee::Event& event : session.stream(pensee::Prompt::messages("[" + messages + "]"), options)) {
    if (event.kind == PENSEE_EVENT_END) {
      std::cout << "\033[0m\n[" << event.usage.cached_tokens << " of " << event.usage.prompt_tokens
                << " prompt tokens kept, " << event.usage.thought_tokens << " of thought, " << event.usage.answer_tokens
                << " of answer]\n";
    }
    if (event.text.empty()) continue;
    if (event.kind != shown) std::cout << (event.kind == PENSEE_EVENT_THOUGHT ? "\033[2m" : shown ? "\033[0m\n" : "");
    shown = event.kind;
    if (event.kind == PENSEE_EVENT_ANSWER) answer += event.text;
    std::cout << event.text << std::flush;
  }
  answer.erase(0, answer.find_first_not_of(" \t\r\n"));
  return answer;
}

void converse(pensee::Session& session, const pensee::Options& options) {
  std::string messages;
  for (std::string line; std::cout << "> " << std::flush && std::getline(std::cin, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    messages += (messages.empty() ? "" : ", ") + message("user", line);
    messages += ", " + message("assistant", take_turn(session, messages, options));
  }
  std::cout << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::cerr << "usage: " << argv[0] << " MODEL [MAX_TOKENS [SEED]]\n";
    return 2;
  }
  try {
    const pensee::Model model(argv[1]);
    pensee::Session session(model);
    pensee::Options options;
    options.max_tokens = argc > 2 ? std::stoll(argv[2]) : 1000;
    options.seed = argc > 3 ? std::stoull(argv[3]) : 0;
    options.think_budget = options.max_tokens / 2;  // then the thought is closed and the answer follows
    converse(session, options);
  } catch (const std::exception& error) {
    std::cerr << "chat: " << error.what() << "\n";
    return 1;
  }
}
