// One prompt, several ends: a session is forked, saved, restored and put to the vote. What was computed for the prompt
// is computed once.
//
//   branches MODEL "Is 221 prime?"
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
    pensee::Session session(model);
    pensee::Options options;
    options.max_tokens = 100;
    options.think_budget = 60;
    options.seed = 1;
    const pensee::Reply reply = session.ask(argv[2], options);
    std::printf("1: %s\n", reply.answer.c_str());

    pensee::Session fork = session.fork();  // knows the prompt, goes its own way
    options.seed = 2;
    const pensee::Reply other = fork.ask(argv[2], options);
    std::printf("2: %s\n   (%lld of %lld prompt tokens were there)\n", other.answer.c_str(),
                static_cast<long long>(other.usage.cached_tokens), static_cast<long long>(other.usage.prompt_tokens));

    pensee::Session restored = pensee::Session::restore_memory(model, session.save_memory());
    options.seed = 1;
    const bool same = restored.ask(argv[2], options).token_ids == reply.token_ids;
    std::printf("restored: %s tokens as the first\n", same ? "the same" : "other");

    options.n = 2;  // samples in one stream; each has its END
    int ends = 0;
    for (const pensee::Event& event : session.stream(argv[2], options)) ends += event.kind == PENSEE_EVENT_END;
    pensee::VoteOptions vote_options;
    vote_options.n = 4;
    const pensee::Vote vote = session.vote(argv[2], options, vote_options);
    std::printf("%d samples; %zu of %zu replies came to an answer\n", ends, vote.answers.size(), vote.replies.size());
    for (const pensee::VoteAnswer& answer : vote.answers) std::printf("%2d  %s\n", answer.votes, answer.answer.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
