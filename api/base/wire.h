#pragma once
// Octets in network order: a cursor to read them, and appenders to write them.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace openelb {

using Bytes = std::vector<uint8_t>;

// Reads forward and never past the end: a read that does not fit returns false and consumes
// nothing.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> data) : data_(data) {}

  size_t remaining() const { return data_.size(); }
  bool empty() const { return data_.empty(); }
  std::span<const uint8_t> rest() const { return data_; }

  bool U8(uint8_t* value) { return Number(value); }
  bool U16(uint16_t* value) { return Number(value); }
  bool U32(uint32_t* value) { return Number(value); }
  bool Take(size_t size, std::span<const uint8_t>* bytes) {
    if (size > data_.size()) return false;
    *bytes = data_.first(size);
    data_ = data_.subspan(size);
    return true;
  }

 private:
  template <typename T>
  bool Number(T* value) {
    std::span<const uint8_t> bytes;
    if (!Take(sizeof(T), &bytes)) return false;
    uint64_t sum = 0;
    for (uint8_t byte : bytes) sum = sum << 8 | byte;
    *value = static_cast<T>(sum);
    return true;
  }

  std::span<const uint8_t> data_;
};

inline void PutU8(Bytes* out, uint8_t value) { out->push_back(value); }
inline void PutU16(Bytes* out, uint16_t value) {
  out->push_back(static_cast<uint8_t>(value >> 8));
  out->push_back(static_cast<uint8_t>(value));
}
inline void PutU32(Bytes* out, uint32_t value) {
  PutU16(out, static_cast<uint16_t>(value >> 16));
  PutU16(out, static_cast<uint16_t>(value));
}
inline void PutU64(Bytes* out, uint64_t value) {
  PutU32(out, static_cast<uint32_t>(value >> 32));
  PutU32(out, static_cast<uint32_t>(value));
}
inline void PutBytes(Bytes* out, std::span<const uint8_t> bytes) {
  out->insert(out->end(), bytes.begin(), bytes.end());
}

}  // namespace openelb
