// Bytes that the parent has no room for yet. Grows by doubling, and gives its
// memory back when told to.
#ifndef XTP_COMMON_BYTE_QUEUE_H_
#define XTP_COMMON_BYTE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace xtp {

class ByteQueue {
 public:
  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  const uint8_t* data() const { return bytes_.data() + begin_; }

  void Append(const uint8_t* data, size_t length) {
    if (bytes_.size() - end_ < length) MakeRoom(length);
    memcpy(bytes_.data() + end_, data, length);
    end_ += length;
  }
  void Consume(size_t length) {
    begin_ += length;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  void Clear() { begin_ = end_ = 0; }
  void Shrink() {
    if (empty() && !bytes_.empty()) std::vector<uint8_t>().swap(bytes_);
  }

 private:
  // Moves at most as many bytes as were consumed since the last move, or
  // doubles: either way the cost per byte is constant.
  void MakeRoom(size_t length) {
    const size_t used = size();
    if (begin_ < used || bytes_.size() - used < length) {
      size_t capacity = bytes_.empty() ? 16 * 1024 : bytes_.size();
      while (capacity < used + length) capacity *= 2;
      if (capacity == bytes_.size()) capacity *= 2;
      std::vector<uint8_t> larger(capacity);
      if (used > 0) memcpy(larger.data(), data(), used);
      bytes_.swap(larger);
    } else if (used > 0) {
      memmove(bytes_.data(), data(), used);
    }
    begin_ = 0;
    end_ = used;
  }

  std::vector<uint8_t> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace xtp

#endif  // XTP_COMMON_BYTE_QUEUE_H_
