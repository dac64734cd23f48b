// One direction of an emulated path: what happens to a packet between two
// network devices, and when. No I/O, and no clock of its own.
//
// A packet may be lost; what is left queues before a line of a given rate, as
// far as the queue has room (drop-tail); then it travels for the delay, and may
// overtake or be overtaken.
#ifndef XTP_BENCH_NETWORKS_LINK_H_
#define XTP_BENCH_NETWORKS_LINK_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace xtp::networks {

struct LinkSettings {
  // One way; added to every packet.
  uint64_t delay_ns = 0;
  // At most so much more, evenly distributed, for each packet by itself.
  uint64_t jitter_ns = 0;
  // Shares of the packets, 0 to 1, each packet by itself: lost; arriving twice;
  // travelling without delay, and so before those that were sent earlier.
  double loss = 0;
  double duplication = 0;
  double reordering = 0;
  // Of the bottleneck, in bits of IP packets. 0: no bottleneck.
  uint64_t bits_per_second = 0;
  // What may wait before the bottleneck.
  uint64_t queue_bytes = 256 * 1024;
  // What may be under way in all, so that memory is bounded.
  uint64_t max_bytes = 256 * 1024 * 1024;
};

struct LinkCounters {
  uint64_t packets = 0;  // offered
  uint64_t bytes = 0;
  uint64_t lost = 0;
  uint64_t duplicated = 0;
  uint64_t reordered = 0;
  uint64_t dropped = 0;  // no room in the queue
  uint64_t delivered = 0;
  uint64_t max_queue_bytes = 0;
};

class Link {
 public:
  static constexpr uint64_t kNever = UINT64_MAX;

  // The same seed gives the same fate to the same packets.
  Link(const LinkSettings& settings, uint64_t seed)
      : settings_(settings), random_(seed) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // A packet enters. Times never go back.
  void Send(uint64_t now_ns, const uint8_t* packet, size_t length);

  // When the next packet leaves, or kNever.
  uint64_t next_ns() const {
    return heap_.empty() ? kNever : heap_.front().due_ns;
  }

  // The next packet that has left by now, or null. Valid until the next call.
  const std::vector<uint8_t>* Receive(uint64_t now_ns);

  const LinkCounters& counters() const { return counters_; }

 private:
  struct Entry {
    uint64_t due_ns;
    uint64_t order;  // among those that are due at the same time
    size_t buffer;

    // std::push_heap keeps the largest in front, and we want the earliest.
    bool operator<(const Entry& other) const {
      return due_ns != other.due_ns ? due_ns > other.due_ns
                                    : order > other.order;
    }
  };

  bool Happens(double share);
  // When the bottleneck has sent the packet, or kNever: the queue is full.
  uint64_t PassBottleneck(uint64_t now_ns, size_t length);
  void Travel(uint64_t now_ns, const uint8_t* packet, size_t length,
              bool overtakes);

  const LinkSettings settings_;
  std::mt19937_64 random_;
  LinkCounters counters_;
  uint64_t line_free_ns_ = 0;  // when the bottleneck has sent all it has
  uint64_t bytes_under_way_ = 0;
  uint64_t order_ = 0;
  std::vector<Entry> heap_;
  // Packets under way; those in free_ are used again.
  std::vector<std::vector<uint8_t>> buffers_;
  std::vector<size_t> free_;
};

}  // namespace xtp::networks

#endif  // XTP_BENCH_NETWORKS_LINK_H_
