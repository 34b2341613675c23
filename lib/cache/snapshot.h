// Snapshots: a conversation's tokens and cache, saved and restored bit for bit. A snapshot stands alone, whatever pages
// the sequence shared; the rows of a restored one equal the saved ones, and the rest of its last page is empty.
//
//   "PENSEE" 0x1a 'S'   8 bytes
//   version             u32, 1; then u32 0
//   sections            each: name [8 characters], length u64, that many bytes, checksum u64 over all of these
//     "model"           text, lines "what: value": who computed it, in the words of the engine
//     "shape"           u32 type of keys, u32 of values, u32 positions of a page, u32 layers,
//                       then a layer: i32 heads, key_dim, value_dim, latent_dim
//     "tokens"          i32 each
//     "page"            for each 64 tokens: layer after layer the keys' rows [heads][positions], then the values'
//
// Little-endian. The tokens' number fixes the size of all that follows, so a file is measured before memory is taken.
// Reading trusts nothing: any damage is a Status. Only the range of the token ids is left to the caller to check.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/atomic_file.h"
#include "cache/cache.h"

namespace pensee {

struct Snapshot {
  std::vector<int32_t> tokens;
  CacheSequence sequence;  // of tokens.size() positions
};

// `model`: lines "what: value" that a reader must have in common, 64 KiB at most. As many tokens as positions.
Status write_snapshot(std::string_view model, std::span<const int32_t> tokens, const CacheSequence& sequence,
                      ByteSink& sink);
// Whole or not at all: see atomic_file.h.
Status save_snapshot(const std::string& path, std::string_view model, std::span<const int32_t> tokens,
                     const CacheSequence& sequence);
// bad_argument, naming what differs: another model, or another shape of cache. context_full: more than
// `positions_max` tokens.
Result<Snapshot> read_snapshot(const File& file, std::string_view model, const CacheShape& shape, MemoryBudget& budget,
                               int64_t positions_max);

}  // namespace pensee
