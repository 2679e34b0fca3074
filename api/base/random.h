#pragma once
// The seam to randomness (jitter, identifiers), so that a simulation can repeat a run from its
// seed.

#include <cstdint>
#include <random>

namespace openelb {

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next64() = 0;
  // Uniform in [0, 1).
  double Uniform() { return static_cast<double>(Next64() >> 11) * 0x1.0p-53; }
};

// Repeats for one seed.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : engine_(seed) {}
  uint64_t Next64() override { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

// Seeded from the kernel.
class SystemRandom final : public Random {
 public:
  SystemRandom() : engine_(Seed()) {}
  uint64_t Next64() override { return engine_(); }

 private:
  static uint64_t Seed() {
    std::random_device device;
    return (uint64_t{device()} << 32) | device();
  }
  std::mt19937_64 engine_;
};

}  // namespace openelb
