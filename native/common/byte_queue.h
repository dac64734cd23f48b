// Bytes that the parent has no room for yet. Of one thread. In blocks: a
// thousand queues that were long at different times must not keep the memory of
// all.
#ifndef XTP_COMMON_BYTE_QUEUE_H_
#define XTP_COMMON_BYTE_QUEUE_H_

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace xtp {

class ByteQueue {
 public:
  ByteQueue() = default;
  ~ByteQueue() { Clear(); }
  ByteQueue(const ByteQueue&) = delete;
  ByteQueue& operator=(const ByteQueue&) = delete;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // The first bytes, as far as they are in one piece. Not of an empty queue.
  iovec front() const {
    const size_t end = first_ == last_ ? end_ : kBlockBytes;
    return {first_->bytes + begin_, end - begin_};
  }

  void Append(const uint8_t* data, size_t length) {
    size_ += length;
    while (length > 0) {
      if (last_ == nullptr || end_ == kBlockBytes) AddBlock();
      const size_t count = std::min(length, kBlockBytes - end_);
      memcpy(last_->bytes + end_, data, count);
      end_ += count;
      data += count;
      length -= count;
    }
  }
  // At most as many as front() has.
  void Consume(size_t length) {
    size_ -= length;
    begin_ += length;
    if (begin_ == kBlockBytes || size_ == 0) DropBlock();
  }
  void Clear() {
    while (first_ != nullptr) DropBlock();
    size_ = 0;
  }

 private:
  static constexpr size_t kBlockBytes = 16 * 1024 - sizeof(void*);
#if defined(__SANITIZE_ADDRESS__)
  // A pooled block hides use after free from the sanitizer.
  static constexpr size_t kMaxFreeBlocks = 0;
#else
  // 8 MiB: the heap would give memory back and ask for it again all the time.
  static constexpr size_t kMaxFreeBlocks = 512;
#endif
  struct Block {
    Block* next;
    uint8_t bytes[kBlockBytes];
  };

  // Blocks that are free, of this thread.
  class Pool {
   public:
    ~Pool() {
      while (Block* const block = Take()) delete block;
    }
    Block* Take() {
      Block* const block = first_;
      if (block == nullptr) return nullptr;
      first_ = block->next;
      count_--;
      return block;
    }
    void Put(Block* block) {
      if (count_ >= kMaxFreeBlocks) {
        delete block;
        return;
      }
      block->next = first_;
      first_ = block;
      count_++;
    }

   private:
    Block* first_ = nullptr;
    size_t count_ = 0;
  };
  static Pool& pool() {
    static thread_local Pool pool;
    return pool;
  }

  void AddBlock() {
    Block* block = pool().Take();
    if (block == nullptr) block = new Block;  // its bytes are not set
    block->next = nullptr;
    if (last_ == nullptr) {
      first_ = block;
      begin_ = 0;
    } else {
      last_->next = block;
    }
    last_ = block;
    end_ = 0;
  }
  void DropBlock() {
    Block* const block = first_;
    first_ = block->next;
    if (first_ == nullptr) last_ = nullptr;
    begin_ = 0;
    pool().Put(block);
  }

  Block* first_ = nullptr;
  Block* last_ = nullptr;
  size_t begin_ = 0;  // in the first
  size_t end_ = 0;    // in the last
  size_t size_ = 0;
};

}  // namespace xtp

#endif  // XTP_COMMON_BYTE_QUEUE_H_
