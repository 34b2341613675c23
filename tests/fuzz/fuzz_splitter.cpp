// Fuzz target: the first byte chooses a family, the second how the rest is cut; the rest is what the model writes. Any
// cutting must come to the same pieces, and every call must have arguments that are JSON.
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "reasoning/splitter.h"

namespace {

using namespace pensee;

std::string split(const Dialect& dialect, std::string_view text, size_t length,
                  const std::shared_ptr<const ToolTypes>& tools) {
  Splitter splitter(dialect, "<|im_start|>assistant\n<think>\n<|start|>assistant", tools);
  std::vector<Piece> out;
  for (size_t at = 0; at < text.size(); at += length) splitter.push(text.substr(at, length), false, out);
  splitter.flush(out);
  std::string all;
  char last = 0;
  for (const Piece& piece : out) {
    const char channel = static_cast<char>('0' + static_cast<int>(piece.channel));
    if (channel != last) all += std::string("\x01") + channel;
    all += piece.text;
    last = piece.call ? 0 : channel;
    if (piece.call) all += "\x02" + piece.call->id + "\x02" + piece.call->name + "\x02" + piece.call->arguments;
    if (piece.call && !json::parse(piece.call->arguments, "arguments").ok()) __builtin_trap();
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const char* const families[] = {"<think><tool_call>",
                                         "<think><tool_call><arg_key>",
                                         "<think><tool_call><function=<parameter=",
                                         "<think><minimax:tool_call>",
                                         "<|tool_call_begin|>",
                                         "[THINK][TOOL_CALLS]",
                                         "<|python_tag|>",
                                         "<|tool_call_start|>",
                                         "<|start|><|channel|><|message|>",
                                         "<think>\357\275\234DSML\357\275\234",
                                         "<think><\357\275\234tool\342\226\201call\342\226\201begin\357\275\234>"};
  static const std::shared_ptr<const ToolTypes> tools = [] {
    const auto parsed =
        json::parse(R"([{"name": "f", "parameters": {"properties": {"s": {"type": "string"}}}}])", "tools");
    return std::make_shared<const ToolTypes>(parsed.ok() ? *parsed : json::Value());
  }();
  if (size < 2) return 0;
  const Dialect dialect = detect_dialect(families[data[0] % std::size(families)], nullptr, "");
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto types = data[1] & 1 ? tools : nullptr;
  if (split(dialect, text, text.size() + 1, types) != split(dialect, text, 1 + (data[1] >> 1) % 7, types))
    __builtin_trap();
  return 0;
}
