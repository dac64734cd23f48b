// Which connection a datagram is for (RFC 9000, section 5.2): by connection
// id, of which each connection has several.
//
// The hash has a key: the first id of an inbound connection is chosen by the
// peer, who must not be able to choose collisions.
#ifndef XTP_QUIC_CID_TABLE_H_
#define XTP_QUIC_CID_TABLE_H_

#include <ngtcp2/ngtcp2.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <unordered_map>

#include "common/siphash.h"

namespace xtp::quic {

class Connection;

// Length of the ids that we choose; short headers do not carry it.
constexpr size_t kCidBytes = 8;

class CidTable {
 public:
  // First of all. False: the system has no random numbers.
  bool Init() {
    Hash hash;
    if (!FillRandom(&hash.key, sizeof hash.key)) return false;
    ids_ = Ids(0, hash);
    return true;
  }

  // False: somebody has it.
  bool Add(const ngtcp2_cid& cid, Connection* connection) {
    return ids_.emplace(Key(cid.data, cid.datalen), connection).second;
  }

  void Remove(const ngtcp2_cid& cid, const Connection* connection) {
    const auto found = ids_.find(Key(cid.data, cid.datalen));
    if (found == ids_.end() || found->second != connection) return;
    if (last_ == connection) last_ = nullptr;
    ids_.erase(found);
  }

  // Null if nobody has it.
  Connection* Find(const uint8_t* cid, size_t length) {
    if (length > NGTCP2_MAX_CIDLEN) return nullptr;
    const Key key(cid, length);
    // Datagrams come in runs.
    if (last_ != nullptr && key == last_key_) return last_;
    const auto found = ids_.find(key);
    if (found == ids_.end()) return nullptr;
    last_key_ = key;
    last_ = found->second;
    return last_;
  }

  size_t size() const { return ids_.size(); }

 private:
  struct Key {
    uint8_t length = 0;
    uint8_t data[NGTCP2_MAX_CIDLEN] = {};

    Key() = default;
    Key(const uint8_t* bytes, size_t count)
        : length(static_cast<uint8_t>(count)) {
      if (count > 0) memcpy(data, bytes, count);
    }
    bool operator==(const Key& other) const {
      return memcmp(this, &other, sizeof *this) == 0;
    }
  };

  struct Hash {
    SipKey key;
    size_t operator()(const Key& id) const {
      return SipHash(key, id.data, id.length);
    }
  };

  using Ids = std::unordered_map<Key, Connection*, Hash>;

  Ids ids_;
  Key last_key_;
  Connection* last_ = nullptr;
};

}  // namespace xtp::quic

#endif  // XTP_QUIC_CID_TABLE_H_
