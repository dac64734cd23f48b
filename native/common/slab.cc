#include "common/slab.h"

#include <new>

namespace xtp {

SlabRef::~SlabRef() {
  if (slab_ != nullptr && --slab_->references == 0) slab_->pool->Put(slab_);
}

SlabPool::SlabPool(size_t slab_bytes, size_t max_free)
    : slab_bytes_(slab_bytes),
#if defined(__SANITIZE_ADDRESS__)
      // A pooled slab hides use after free from the sanitizer.
      max_free_(max_free * 0) {
#else
      max_free_(max_free) {
#endif
  free_.reserve(max_free_);
}

SlabPool::~SlabPool() {
  for (Slab* slab : free_) ::operator delete(slab);
}

SlabRef SlabPool::Take() {
  Slab* slab;
  if (free_.empty()) {
    slab = static_cast<Slab*>(::operator new(sizeof(Slab) + slab_bytes_));
  } else {
    slab = free_.back();
    free_.pop_back();
  }
  slab->pool = this;
  slab->references = 1;
  slab->filled = 0;
  live_++;
  return SlabRef(slab);
}

void SlabPool::Put(Slab* slab) {
  live_--;
  if (free_.size() < max_free_) {
    free_.push_back(slab);
  } else {
    ::operator delete(slab);
  }
}

void SliceQueue::push_back(Slice slice) {
  if (count_ == ring_.size()) {
    std::vector<Slice> larger(ring_.empty() ? 4 : 2 * ring_.size());
    for (size_t i = 0; i < count_; i++) larger[i] = std::move(at(i));
    ring_.swap(larger);
    head_ = 0;
  }
  count_++;
  back() = std::move(slice);
}

void SliceQueue::pop_front() {
  front() = Slice();
  head_ = (head_ + 1) & mask();
  count_--;
}

void SliceQueue::clear() {
  while (!empty()) pop_front();
}

}  // namespace xtp
