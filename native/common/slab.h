// Pooled, reference-counted buffers, and slices of them. The link reader fills
// a slab; payload stays where it was read until its consumer is done with it.
// Not thread-safe: everything belongs to the I/O thread.
#ifndef XTP_COMMON_SLAB_H_
#define XTP_COMMON_SLAB_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace xtp {

class SlabPool;

// Bytes follow the header in the same allocation.
struct Slab {
  SlabPool* pool;
  uint32_t references;
  uint32_t filled;  // bytes in use, from the start; only ever grows

  uint8_t* data() { return reinterpret_cast<uint8_t*>(this + 1); }
};

// Owns one reference.
class SlabRef {
 public:
  SlabRef() = default;
  explicit SlabRef(Slab* adopted) : slab_(adopted) {}
  SlabRef(const SlabRef& other) : slab_(other.slab_) {
    if (slab_ != nullptr) slab_->references++;
  }
  SlabRef(SlabRef&& other) noexcept : slab_(other.slab_) {
    other.slab_ = nullptr;
  }
  SlabRef& operator=(SlabRef other) noexcept {
    std::swap(slab_, other.slab_);
    return *this;
  }
  ~SlabRef();

  Slab* operator->() const { return slab_; }
  Slab* get() const { return slab_; }
  explicit operator bool() const { return slab_ != nullptr; }

 private:
  Slab* slab_ = nullptr;
};

// Must outlive its slabs.
class SlabPool {
 public:
  SlabPool(size_t slab_bytes, size_t max_free);
  ~SlabPool();
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;

  SlabRef Take();
  size_t slab_bytes() const { return slab_bytes_; }
  size_t room(const SlabRef& slab) const { return slab_bytes_ - slab->filled; }
  size_t live() const { return live_; }  // slabs somebody holds

 private:
  friend class SlabRef;
  void Put(Slab* slab);

  const size_t slab_bytes_;
  const size_t max_free_;
  size_t live_ = 0;
  std::vector<Slab*> free_;
};

struct Slice {
  SlabRef slab;
  const uint8_t* data = nullptr;
  size_t length = 0;
};

// A queue of slices that allocates only to grow (std::deque allocates as it
// moves).
class SliceQueue {
 public:
  bool empty() const { return count_ == 0; }
  size_t size() const { return count_; }
  Slice& at(size_t index) { return ring_[(head_ + index) & mask()]; }
  Slice& front() { return at(0); }
  Slice& back() { return at(count_ - 1); }
  void push_back(Slice slice);
  void pop_front();
  void clear();

 private:
  size_t mask() const { return ring_.size() - 1; }

  std::vector<Slice> ring_;  // size is 0 or a power of two
  size_t head_ = 0;
  size_t count_ = 0;
};

}  // namespace xtp

#endif  // XTP_COMMON_SLAB_H_
