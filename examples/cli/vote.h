// `pensee run --vote N`: many replies, and the answer that most of them come to.
#pragma once

#include <pensee/pensee.h>

#include "settings.h"

namespace cli {

struct VoteSettings {
  pensee_vote_options options = PENSEE_VOTE_OPTIONS_INIT;
  bool wanted = false;
};
void add_vote_flags(Flags& flags, VoteSettings& settings);

// Asks, prints the winner's answer and the distribution (or one JSON object), and returns the exit code.
int run_vote(const SessionHandle& session, const pensee_prompt& prompt, const GenerationSettings& generation,
             const VoteSettings& settings, bool json);

}  // namespace cli
