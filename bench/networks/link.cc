#include "link.h"

#include <algorithm>

namespace xtp::networks {
namespace {

constexpr uint64_t kNsPerSecond = 1000000000;
constexpr uint64_t kBitsPerByte = 8;

uint64_t LineTime(uint64_t bytes, uint64_t bits_per_second) {
  return bytes * kBitsPerByte * kNsPerSecond / bits_per_second;
}

}  // namespace

bool Link::Happens(double share) {
  if (share <= 0) return false;
  return std::uniform_real_distribution<double>(0, 1)(random_) < share;
}

void Link::Send(uint64_t now_ns, const uint8_t* packet, size_t length) {
  counters_.packets++;
  counters_.bytes += length;
  if (Happens(settings_.loss)) {
    counters_.lost++;
    return;
  }
  const bool twice = Happens(settings_.duplication);
  if (twice) counters_.duplicated++;
  for (int copy = 0; copy < (twice ? 2 : 1); copy++) {
    const uint64_t left_ns = PassBottleneck(now_ns, length);
    if (left_ns == kNever || bytes_under_way_ + length > settings_.max_bytes) {
      counters_.dropped++;
      return;
    }
    const bool overtakes = Happens(settings_.reordering);
    if (overtakes) counters_.reordered++;
    Travel(left_ns, packet, length, overtakes);
  }
}

uint64_t Link::PassBottleneck(uint64_t now_ns, size_t length) {
  const uint64_t rate = settings_.bits_per_second;
  if (rate == 0) return now_ns;
  const uint64_t start_ns = std::max(now_ns, line_free_ns_);
  // What the line has not sent yet, as bytes.
  const uint64_t queued = static_cast<uint64_t>(
      static_cast<double>(start_ns - now_ns) * static_cast<double>(rate) /
      (kBitsPerByte * kNsPerSecond));
  if (queued + length > settings_.queue_bytes) return kNever;
  counters_.max_queue_bytes =
      std::max<uint64_t>(counters_.max_queue_bytes, queued + length);
  line_free_ns_ = start_ns + LineTime(length, rate);
  return line_free_ns_;
}

void Link::Travel(uint64_t now_ns, const uint8_t* packet, size_t length,
                  bool overtakes) {
  uint64_t due_ns = now_ns;
  if (!overtakes) {
    due_ns += settings_.delay_ns;
    if (settings_.jitter_ns > 0) {
      due_ns += std::uniform_int_distribution<uint64_t>(
          0, settings_.jitter_ns)(random_);
    }
  }
  if (free_.empty()) {
    free_.push_back(buffers_.size());
    buffers_.emplace_back();
  }
  const size_t buffer = free_.back();
  free_.pop_back();
  buffers_[buffer].assign(packet, packet + length);
  bytes_under_way_ += length;
  heap_.push_back({due_ns, order_++, buffer});
  std::push_heap(heap_.begin(), heap_.end());
}

const std::vector<uint8_t>* Link::Receive(uint64_t now_ns) {
  if (next_ns() > now_ns) return nullptr;
  std::pop_heap(heap_.begin(), heap_.end());
  const size_t buffer = heap_.back().buffer;
  heap_.pop_back();
  // It may be used again from the next Send on.
  free_.push_back(buffer);
  bytes_under_way_ -= buffers_[buffer].size();
  counters_.delivered++;
  return &buffers_[buffer];
}

}  // namespace xtp::networks
