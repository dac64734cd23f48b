#include "utp/time_wait.h"

namespace xtp::utp {

void TimeWait::Add(const PeerKey& key, Entry entry, uint64_t now_us) {
  while (order_.size() >= kMaxEntries) DropOldest();
  entry.expires_us = now_us + kKeepUs;
  entries_[key] = entry;
  order_.push_back({entry.expires_us, key});
}

const TimeWait::Entry* TimeWait::Find(const PeerKey& key) const {
  if (entries_.empty()) return nullptr;
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

void TimeWait::Expire(uint64_t now_us) {
  while (!order_.empty() && order_.front().expires_us <= now_us) DropOldest();
}

// The key may have been used again since: then the younger one stays.
void TimeWait::DropOldest() {
  const auto found = entries_.find(order_.front().key);
  if (found != entries_.end() &&
      found->second.expires_us == order_.front().expires_us) {
    entries_.erase(found);
  }
  order_.pop_front();
}

}  // namespace xtp::utp
