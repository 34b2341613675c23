// Fuzz target: any bytes as a constraint. The first byte says of which kind, the second which tokens are drawn out of
// the masks; every drawn token must be taken, and a mask must have a token until the end.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sampling/constraint.h"

namespace {

using namespace pensee;

class Bytes : public Tokenizer {  // token 0 ends; the others are a byte each
 public:
  Result<std::vector<TokenId>> encode(std::string_view, EncodeOptions) const override { return std::vector<TokenId>(); }
  Status decode_append(TokenId id, bool, std::string& out) const override {
    if (id > 0) out += static_cast<char>(id - 1);
    return Status();
  }
  int32_t vocab_size() const override { return 257; }
  bool is_special(TokenId id) const override { return id == 0; }
  TokenId find(std::string_view) const override { return -1; }
  TokenId bos() const override { return -1; }
  TokenId eos() const override { return 0; }
  bool adds_bos() const override { return false; }
};

void walk(const std::shared_ptr<const CompiledConstraint>& compiled, uint32_t seed) {
  ConstraintMatcher matcher(compiled);
  std::vector<uint32_t> mask(matcher.mask_words());
  for (int i = 0; i < 50; ++i) {
    if (!matcher.fill_mask(mask).ok()) return;  // too ambiguous
    std::vector<TokenId> ids;
    for (TokenId id = 0; id < 257; ++id) {
      if (mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1) ids.push_back(id);
    }
    if (ids.empty()) __builtin_trap();
    seed = seed * 1664525 + 1013904223;
    const TokenId id = ids[(seed >> 8) % ids.size()];
    if (!matcher.accept_token(id)) __builtin_trap();
    if (id == 0) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  static const auto tokenizer = std::make_shared<const Bytes>();
  const auto compiler = ConstraintCompiler::create(tokenizer, 257, {0});
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto compiled = compiler->compile(static_cast<ConstraintKind>(data[0] % 3), text);
  if (compiled.ok()) walk(*compiled, data[1]);
  return 0;
}
