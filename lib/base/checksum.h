// The 64-bit checksum of snapshots and packed files: XXH64 as its specification (xxHash, version 0.1.1) gives it, with
// seed 0. It finds damage, not malice: whoever reads a section that passes still checks what it says.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace pensee {

class Checksum {
 public:
  void add(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    total_ += bytes.size();
    if (held_ > 0) {
      const size_t wanted = bytes.size() < kStripe - held_ ? bytes.size() : kStripe - held_;
      std::memcpy(room_ + held_, bytes.data(), wanted);
      held_ += wanted;
      bytes = bytes.subspan(wanted);
      if (held_ < kStripe) return;
      stripe(room_);
      held_ = 0;
    }
    for (; bytes.size() >= kStripe; bytes = bytes.subspan(kStripe)) stripe(bytes.data());
    if (!bytes.empty()) std::memcpy(room_, bytes.data(), bytes.size());
    held_ = bytes.size();
  }

  uint64_t value() const {
    uint64_t h = kPrime5;
    if (total_ >= kStripe) {
      h = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
      for (const uint64_t lane : lanes_) h = (h ^ round(0, lane)) * kPrime1 + kPrime4;
    }
    h += total_;
    const std::byte *at = room_, *end = room_ + held_;
    for (; end - at >= 8; at += 8) h = std::rotl(h ^ round(0, read<uint64_t>(at)), 27) * kPrime1 + kPrime4;
    for (; end - at >= 4; at += 4) h = std::rotl(h ^ read<uint32_t>(at) * kPrime1, 23) * kPrime2 + kPrime3;
    for (; at < end; ++at) h = std::rotl(h ^ static_cast<uint64_t>(*at) * kPrime5, 11) * kPrime1;
    h = (h ^ h >> 33) * kPrime2;
    h = (h ^ h >> 29) * kPrime3;
    return h ^ h >> 32;
  }

 private:
  static constexpr size_t kStripe = 32;
  static constexpr uint64_t kPrime1 = 0x9e3779b185ebca87u, kPrime2 = 0xc2b2ae3d27d4eb4fu, kPrime3 = 0x165667b19e3779f9u,
                            kPrime4 = 0x85ebca77c2b2ae63u, kPrime5 = 0x27d4eb2f165667c5u;

  template <class T>
  static uint64_t read(const std::byte* p) {
    T word;
    std::memcpy(&word, p, sizeof(word));
    return word;
  }
  static uint64_t round(uint64_t lane, uint64_t word) { return std::rotl(lane + word * kPrime2, 31) * kPrime1; }
  void stripe(const std::byte* p) {
    for (int i = 0; i < 4; ++i) lanes_[i] = round(lanes_[i], read<uint64_t>(p + 8 * i));
  }

  uint64_t lanes_[4] = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
  uint64_t total_ = 0;
  size_t held_ = 0;
  std::byte room_[kStripe] = {};
};

}  // namespace pensee
