// A whole reply, collected from the events of one sample.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/types.h"

namespace pensee {

struct Reply {
  std::string thought, answer;  // after END without the space around the tags, which belongs to neither
  std::vector<int32_t> token_ids;
  std::vector<float> logprobs;
  std::vector<ToolCall> calls;
  std::shared_ptr<const ExpertRow> routing;
  Usage usage;
  Finish finish = Finish::none;
  Status status;

  void add(const Event& event);
  // The geometric mean of the probabilities of its tokens; 0 where there are none.
  double confidence() const;
  // {"role": "assistant", "content": ..., "reasoning_content": ..., "tool_calls": [...]}
  json::Value message() const;
};

}  // namespace pensee
