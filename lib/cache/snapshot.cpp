#include "cache/snapshot.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/checksum.h"

namespace pensee {
namespace {

static_assert(std::endian::native == std::endian::little, "snapshots are little-endian");

constexpr char kMagic[8] = {'P', 'E', 'N', 'S', 'E', 'E', 0x1a, 'S'};
constexpr uint32_t kVersion = 2;
constexpr uint64_t kTextLimit = 64 << 10;
constexpr uint64_t kSectionOverhead = 24;  // name, length, checksum

struct Prelude {
  char magic[8];
  uint32_t version;
  uint32_t zero;
};
struct SectionHead {
  char name[8];
  uint64_t length;
};

SectionHead head_of(std::string_view name, uint64_t length) {
  SectionHead head = {};
  std::memcpy(head.name, name.data(), name.size());
  head.length = length;
  return head;
}

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

std::vector<uint32_t> shape_words(const CacheShape& shape) {
  std::vector<uint32_t> words = {static_cast<uint32_t>(shape.key_type), static_cast<uint32_t>(shape.value_type),
                                 kPagePositions, static_cast<uint32_t>(shape.layers.size())};
  for (const CacheLayer& layer : shape.layers) {
    for (const int32_t n : {layer.heads, layer.key_dim, layer.value_dim, layer.latent_dim})
      words.push_back(static_cast<uint32_t>(n));
  }
  return words;
}

// Calls f(offset in the page, bytes) for each stretch that the first `positions` rows of a page fill; types that keep
// positions side by side (kernels/table.h) go whole.
template <class F>
void each_stretch(const CacheShape& shape, int64_t positions, F f) {
  for (const CacheLayer& layer : shape.layers) {
    const auto blocks = [&](int64_t offset, const CacheRows& rows, int64_t block) {
      const int64_t filled = is_side_by_side(rows.type) ? block : positions * cache_row_bytes(rows);
      for (int64_t head = 0; head < layer.heads; ++head) {
        f(static_cast<size_t>(offset + head * block), static_cast<size_t>(filled));
      }
    };
    blocks(layer.key_offset, layer.key_rows, layer.key_block);
    if (layer.value_dim > 0) blocks(layer.value_offset, layer.value_rows, layer.value_block);
  }
}

uint64_t packed_bytes(const CacheShape& shape, int64_t positions) {
  uint64_t bytes = 0;
  each_stretch(shape, positions, [&](size_t, size_t count) { bytes += count; });
  return bytes;
}

int64_t positions_of_page(int64_t index, int64_t positions) {
  return std::min<int64_t>(kPagePositions, positions - index * kPagePositions);
}

Status write_section(std::string_view name, std::span<const std::byte> payload, ByteSink& sink) {
  const SectionHead head = head_of(name, payload.size());
  Checksum checksum;
  checksum.add(bytes_of(head));
  checksum.add(payload);
  PENSEE_TRY(sink.write(bytes_of(head)));
  PENSEE_TRY(sink.write(payload));
  return sink.write(bytes_of(checksum.value()));
}

// The file from its begin to its end, a section at a time.
class Reader {
 public:
  explicit Reader(const File& file) : file_(file) {}

  Status prelude() {
    Prelude p = {};
    if (file_.size() < sizeof(p)) return Status::corrupt("{}: {} bytes are no snapshot", file_.name(), file_.size());
    PENSEE_TRY(file_.read(0, std::as_writable_bytes(std::span(&p, 1))));
    at_ = sizeof(p);
    if (std::memcmp(p.magic, kMagic, sizeof(kMagic)) != 0) return Status::corrupt("{}: not a snapshot", file_.name());
    if (p.version != kVersion || p.zero != 0) {
      return Status::unsupported("{}: a snapshot of version {} but this library reads version {}", file_.name(),
                                 p.version, kVersion);
    }
    return Status();
  }

  // The length of the section that comes next, which must be `name` and lie inside the file.
  Result<uint64_t> next(std::string_view name) {
    const uint64_t left = file_.size() - at_;
    if (left < kSectionOverhead) return cut_short(name);
    PENSEE_TRY(file_.read(at_, std::as_writable_bytes(std::span(&head_, 1))));
    if (std::memcmp(head_.name, head_of(name, 0).name, sizeof(head_.name)) != 0) {
      return Status::corrupt("{}: byte {} should begin section '{}' but does not", file_.name(), at_, name);
    }
    if (head_.length > left - kSectionOverhead) return cut_short(name);
    return head_.length;
  }

  // Its payload, after next(); `out` has its length.
  Status take(std::span<std::byte> out) {
    uint64_t stored = 0;
    PENSEE_TRY(file_.read(at_ + sizeof(head_), out));
    PENSEE_TRY(file_.read(at_ + sizeof(head_) + out.size(), std::as_writable_bytes(std::span(&stored, 1))));
    Checksum checksum;
    checksum.add(bytes_of(head_));
    checksum.add(out);
    if (checksum.value() != stored) {
      return Status::corrupt("{}: the section at byte {} is damaged: its checksum differs", file_.name(), at_);
    }
    at_ += kSectionOverhead + out.size();
    return Status();
  }

  uint64_t left_behind(uint64_t payload) const { return file_.size() - at_ - kSectionOverhead - payload; }
  const std::string& name() const { return file_.name(); }

 private:
  Status cut_short(std::string_view section) const {
    return Status::corrupt("{}: section '{}' at byte {} ends beyond the file's {} bytes", file_.name(), section, at_,
                           file_.size());
  }
  const File& file_;
  uint64_t at_ = 0;
  SectionHead head_ = {};
};

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// Messages quote a file's words: no control characters, no more than a line.
std::string quoted(std::string_view line) {
  std::string text = "'";
  for (const char c : line.substr(0, 200)) text += c < 0x20 || c > 0x7e ? '?' : c;
  return text + "'";
}

Status check_model(Reader& reader, std::string_view model) {
  PENSEE_ASSIGN(const uint64_t length, reader.next("model"));
  if (length > kTextLimit) {
    return Status::corrupt("{}: section 'model' has {} bytes, more than {}", reader.name(), length, kTextLimit);
  }
  std::string text(length, '\0');
  PENSEE_TRY(reader.take(std::as_writable_bytes(std::span(text.data(), text.size()))));
  if (text == model) return Status();
  for (std::string_view theirs = text, ours = model; !theirs.empty() || !ours.empty();) {
    const std::string_view saved = take_line(theirs), here = take_line(ours);
    if (saved == here) continue;
    return Status::format(Code::bad_argument, "{}: saved by another model: {} there, {} here", reader.name(),
                          quoted(saved), quoted(here));
  }
  return Status::format(Code::bad_argument, "{}: saved by another model", reader.name());
}

std::string word_name(size_t index) {
  constexpr const char* fixed[] = {"the cache type of keys", "the cache type of values", "the positions of a page",
                                   "the number of layers"};
  constexpr const char* of_layer[] = {"heads", "numbers of a key", "numbers of a value", "numbers of a latent"};
  if (index < 4) return fixed[index];
  return format("layer {}: {}", (index - 4) / 4, of_layer[(index - 4) % 4]);
}

Status check_shape(Reader& reader, const CacheShape& shape) {
  const std::vector<uint32_t> ours = shape_words(shape);
  PENSEE_ASSIGN(const uint64_t length, reader.next("shape"));
  if (length < 4 * sizeof(uint32_t) || length > kTextLimit << 4 || length % sizeof(uint32_t) != 0) {
    return Status::corrupt("{}: section 'shape' has {} bytes", reader.name(), length);
  }
  std::vector<uint32_t> theirs(length / sizeof(uint32_t));
  PENSEE_TRY(reader.take(std::as_writable_bytes(std::span(theirs))));
  const auto differ = std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end());
  if (differ.first == ours.end() && differ.second == theirs.end()) return Status();
  if (differ.first == ours.end() || differ.second == theirs.end()) {
    return Status::corrupt("{}: section 'shape' does not have the layers that it names", reader.name());
  }
  const auto index = static_cast<size_t>(differ.first - ours.begin());
  const auto value = [&](uint32_t v) {
    return index < 2 ? std::string(cache_type_name(static_cast<CacheType>(std::min(v, 255u)))) : format("{}", v);
  };
  return Status::format(Code::bad_argument, "{}: made for another cache: {}: {} there, {} here", reader.name(),
                        word_name(index), value(*differ.second), value(*differ.first));
}

Status read_tokens(Reader& reader, const CacheShape& shape, int64_t positions_max, std::vector<int32_t>& tokens) {
  PENSEE_ASSIGN(const uint64_t length, reader.next("tokens"));
  const uint64_t count = length / sizeof(int32_t);
  if (length % sizeof(int32_t) != 0) {
    return Status::corrupt("{}: section 'tokens' has {} bytes, no multiple of 4", reader.name(), length);
  }
  if (count > static_cast<uint64_t>(positions_max)) {
    return Status::format(Code::context_full, "{}: holds {} tokens but the context ends at {}", reader.name(), count,
                          positions_max);
  }
  const auto positions = static_cast<int64_t>(count);
  const uint64_t full = count / kPagePositions, rest = count % kPagePositions;
  uint64_t behind = full * (kSectionOverhead + packed_bytes(shape, kPagePositions));
  if (rest > 0) behind += kSectionOverhead + packed_bytes(shape, static_cast<int64_t>(rest));
  if (behind != reader.left_behind(length)) {
    return Status::corrupt("{}: the pages of {} tokens take {} bytes but {} follow", reader.name(), positions, behind,
                           reader.left_behind(length));
  }
  tokens.resize(count);
  return reader.take(std::as_writable_bytes(std::span(tokens)));
}

Status read_pages(Reader& reader, const CacheShape& shape, int64_t positions, CacheSequence& sequence) {
  PENSEE_TRY(sequence.reserve(positions));
  std::vector<std::byte> packed;
  for (int64_t i = 0; i * kPagePositions < positions; ++i) {
    const int64_t rows = positions_of_page(i, positions);
    packed.resize(packed_bytes(shape, rows));
    PENSEE_ASSIGN(const uint64_t length, reader.next("page"));
    if (length != packed.size()) {
      return Status::corrupt("{}: page {} has {} bytes instead of {}", reader.name(), i, length, packed.size());
    }
    PENSEE_TRY(reader.take(packed));
    const std::byte* from = packed.data();
    each_stretch(shape, rows, [&](size_t offset, size_t count) {
      std::memcpy(sequence.page(i) + offset, from, count);
      from += count;
    });
  }
  sequence.set_length(positions);
  return Status();
}

}  // namespace

Status write_snapshot(std::string_view model, std::span<const int32_t> tokens, const CacheSequence& sequence,
                      ByteSink& sink) {
  PENSEE_DCHECK(model.size() <= kTextLimit && static_cast<int64_t>(tokens.size()) == sequence.length());
  const CacheShape& shape = sequence.shape();
  Prelude prelude = {};
  std::memcpy(prelude.magic, kMagic, sizeof(kMagic));
  prelude.version = kVersion;
  PENSEE_TRY(sink.write(bytes_of(prelude)));
  PENSEE_TRY(write_section("model", std::as_bytes(std::span(model)), sink));
  const std::vector<uint32_t> words = shape_words(shape);
  PENSEE_TRY(write_section("shape", std::as_bytes(std::span(words)), sink));
  PENSEE_TRY(write_section("tokens", std::as_bytes(tokens), sink));
  std::vector<std::byte> packed;
  for (int64_t i = 0; i * kPagePositions < sequence.length(); ++i) {
    packed.clear();
    const std::byte* page = sequence.page(i);
    each_stretch(shape, positions_of_page(i, sequence.length()), [&](size_t offset, size_t count) {
      packed.insert(packed.end(), page + offset, page + offset + count);
    });
    PENSEE_TRY(write_section("page", packed, sink));
  }
  return Status();
}

Status save_snapshot(const std::string& path, std::string_view model, std::span<const int32_t> tokens,
                     const CacheSequence& sequence) {
  AtomicFile file(path);
  PENSEE_TRY(file.open());
  PENSEE_TRY(write_snapshot(model, tokens, sequence, file));
  return file.commit();
}

Result<Snapshot> read_snapshot(const File& file, std::string_view model, const CacheShape& shape, MemoryBudget& budget,
                               int64_t positions_max) {
  Snapshot snapshot = {{}, CacheSequence(shape, budget)};
  Reader reader(file);
  PENSEE_TRY(reader.prelude());
  PENSEE_TRY(check_model(reader, model));
  PENSEE_TRY(check_shape(reader, shape));
  PENSEE_TRY(read_tokens(reader, shape, positions_max, snapshot.tokens));
  PENSEE_TRY(read_pages(reader, shape, static_cast<int64_t>(snapshot.tokens.size()), snapshot.sequence));
  return snapshot;
}

}  // namespace pensee
