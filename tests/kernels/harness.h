// What the kernel tests share: numbers of every temper, buffers with canaries around them, and equality of bits in
// which any NaN equals any NaN (their payloads differ between CPUs).
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace pensee::testing {

enum class Temper { calm, wide, extreme };  // N(0, 1); many magnitudes; also denormals, huge, infinities, NaN
constexpr Temper kTempers[] = {Temper::calm, Temper::wide, Temper::extreme};

inline std::vector<float> numbers(std::mt19937& random, int64_t n, Temper temper) {
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) {
    v = normal(random);
    if (temper == Temper::calm) continue;
    v = std::ldexp(v, static_cast<int>(random() % 40) - 20);
    if (temper == Temper::wide || random() % 8) continue;
    const float kOdd[] = {0.0f,  -0.0f,  1e-42f,   -3e-39f,   3e38f, -3e38f,
                          88.5f, -88.0f, INFINITY, -INFINITY, NAN,   65504.0f};
    v = kOdd[random() % std::size(kOdd)];
  }
  return x;
}

// n numbers between two walls that a kernel must leave standing; starts off any alignment.
template <class T>
class Walled {
 public:
  explicit Walled(int64_t n, int64_t shift = 1)
      : n_(n), shift_(kWall + shift), all_(static_cast<size_t>(n + 2 * kWall + shift)) {
    std::memset(all_.data(), 0xa5, all_.size() * sizeof(T));
  }
  Walled(const std::vector<T>& v, int64_t shift = 1) : Walled(static_cast<int64_t>(v.size()), shift) {
    std::copy(v.begin(), v.end(), data());
  }
  T* data() { return all_.data() + shift_; }
  bool intact() const {
    const auto* bytes = reinterpret_cast<const uint8_t*>(all_.data());
    const size_t from = static_cast<size_t>(shift_) * sizeof(T), to = static_cast<size_t>(shift_ + n_) * sizeof(T);
    for (size_t i = 0; i < all_.size() * sizeof(T); ++i)
      if ((i < from || i >= to) && bytes[i] != 0xa5) return false;
    return true;
  }

 private:
  static constexpr int64_t kWall = 32;
  int64_t n_, shift_;
  std::vector<T> all_;
};

inline bool same_bits(float a, float b) { return std::memcmp(&a, &b, 4) == 0 || (std::isnan(a) && std::isnan(b)); }
// Index of the first difference, or -1.
inline int64_t first_difference(const float* a, const float* b, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    if (!same_bits(a[i], b[i])) return i;
  return -1;
}

inline std::vector<const Kernels*> tables() {
  std::vector<const Kernels*> all;
  for (std::string_view isa : available_isas()) {
    const auto table = kernels_for(isa);
    if (table.ok()) all.push_back(*table);
  }
  return all;
}

}  // namespace pensee::testing
