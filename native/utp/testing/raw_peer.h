// A peer that speaks uTP by hand, and so can break every rule of it.
#ifndef XTP_UTP_TESTING_RAW_PEER_H_
#define XTP_UTP_TESTING_RAW_PEER_H_

#include <string>
#include <vector>

#include "utp/testing/sim.h"

namespace xtp::utp::sim {

class RawPeer {
 public:
  RawPeer(Sim* sim, const Endpoint& me, const Endpoint& target)
      : sim_(sim), me_(me), target_(target) {
    sim_->filter = [this](const Datagram& d) {
      if (d.to != me_) return true;
      Packet packet;
      CHECK(ParsePacket(reinterpret_cast<const uint8_t*>(d.bytes.data()),
                        d.bytes.size(), &packet));
      got.push_back(packet.header);
      sizes.push_back(d.bytes.size());
      return false;
    };
  }
  ~RawPeer() { sim_->filter = nullptr; }

  // Sends SYN, waits for the SYN-ACK, proves the address. The other side is
  // connected then, if it has credit.
  bool Connect() {
    Header syn;
    syn.type = PacketType::kSyn;
    syn.connection_id = id;
    syn.seq = seq;
    Send(syn);
    sim_->Run(10 * kMs);
    if (got.empty() || got.back().type != PacketType::kState) return false;
    seq++;
    ack = static_cast<uint16_t>(got.back().seq - 1);
    Acknowledge();
    sim_->Run(10 * kMs);
    return true;
  }
  Header Next(PacketType type) const {
    Header header;
    header.type = type;
    header.connection_id = static_cast<uint16_t>(id + 1);
    header.window_bytes = 1 << 20;
    header.timestamp_us = static_cast<uint32_t>(sim_->now_us);
    header.timestamp_difference_us = 1000;
    header.seq = seq;
    header.ack = ack;
    return header;
  }
  void Acknowledge() { Send(Next(PacketType::kState)); }
  // In order: the sequence number goes up.
  void Data(const std::string& payload) {
    Send(Next(PacketType::kData), payload);
    seq++;
  }
  void Send(const Header& header, const std::string& payload = "") {
    sim_->Inject({me_, target_, PacketBytes(header, payload)});
  }
  size_t Count(PacketType type) const {
    size_t count = 0;
    for (const Header& header : got) count += header.type == type;
    return count;
  }

  uint16_t id = 500;
  uint16_t seq = 77;
  uint16_t ack = 0;
  std::vector<Header> got;
  std::vector<size_t> sizes;

 private:
  Sim* const sim_;
  const Endpoint me_;
  const Endpoint target_;
};

}  // namespace xtp::utp::sim

#endif  // XTP_UTP_TESTING_RAW_PEER_H_
