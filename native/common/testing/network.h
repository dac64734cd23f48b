// A network, a clock and machines for tests of engines: no sockets, no threads,
// no sleeping. The network is deterministic for a seed.
#ifndef XTP_COMMON_TESTING_NETWORK_H_
#define XTP_COMMON_TESTING_NETWORK_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "common/controlled_transport.h"
#include "common/testing/test.h"

namespace xtp::sim {

constexpr uint64_t kMs = 1000;
constexpr uint64_t kSecond = 1000 * kMs;

// The byte at `offset` of the test data number `seed`.
uint8_t PatternByte(uint64_t seed, uint64_t offset);
Endpoint Address(const std::string& ip, uint16_t port);

struct Datagram {
  Endpoint from;
  Endpoint to;
  std::string bytes;
};

struct Link {
  uint64_t delay_us = 100;
  uint64_t jitter_us = 0;
  double loss = 0;
  double duplication = 0;
  size_t mtu = 65507;  // of UDP payload
  // Bytes per second; 0: no limit.
  uint64_t rate = 0;
  // What may wait for that; what comes when it is full is lost.
  uint64_t queue_bytes = UINT64_MAX;
};

class Network;

// A machine: an engine, its UDP sockets, and what its parent is told.
class Machine : public Host {
 public:
  Machine(Network* network, const std::string& ip)
      : network_(network), ip_(ip) {}

  void Listen(uint16_t port, uint32_t accept = 100, uint32_t listener = 1);
  void Dial(uint32_t connection, const Endpoint& to, uint32_t timeout_ms = 0);
  void Close(uint32_t connection, bool abort, uint32_t code = 0);
  void Stop();
  void Round();

  // The latest event of a kind for a connection or request; null if none.
  const Event* Find(Event::Kind kind, uint32_t id) const;
  size_t Count(Event::Kind kind) const;
  size_t Count(Event::Kind kind, uint32_t id) const;
  Code ClosedWith(uint32_t connection) const;  // kOk also while it is open
  // UINT64_MAX if there is no such number.
  uint64_t Stat(const std::string& key, uint32_t connection = 0);
  Endpoint At(uint16_t port) const { return Address(ip_, port); }

  std::deque<Event> events;  // pointers to them stay good
  bool link_lost = false;    // OpenStream gives null
  bool bind_fails = false;
  std::map<SocketId, Endpoint> sockets;

  // Host.
  Status Bind(const Endpoint& local, SocketId* out) override;
  void CloseSocket(SocketId socket) override { sockets.erase(socket); }
  Endpoint LocalEndpoint(SocketId socket) const override {
    return sockets.at(socket);
  }
  void SendDatagram(SocketId socket, const uint8_t* data, size_t length,
                    const Endpoint& to) override;
  void Emit(Event event) override { events.push_back(std::move(event)); }

 protected:
  virtual ControlledTransport* transport() = 0;
  // What the parent does before a round, in answer to what it was told.
  virtual void RunParent() = 0;

  Network* const network_;
  const std::string ip_;
  bool parent_due_ = false;  // and so is another round

 private:
  friend class Network;

  void WakeNow();

  SocketId next_socket_ = 1;
  uint16_t next_port_ = 40000;
  uint32_t next_request_ = 1000000;
  uint64_t wake_us_ = 0;
};

class Network {
 public:
  explicit Network(uint64_t seed) : random(seed) {}

  // Runs until `done` holds, at most for `max_us`. True if it holds.
  bool Run(uint64_t max_us, const std::function<bool()>& done);
  void Run(uint64_t us);
  // A datagram appears in the network.
  void Send(Datagram datagram);
  // Delivered at once, in the current round of its receiver.
  void Inject(const Datagram& datagram);

  uint64_t now_us = 1000 * kSecond;
  Link link;
  test::Random random;
  // Sees every datagram, and may change it; false loses it.
  std::function<bool(Datagram&)> filter;
  uint64_t sent = 0;
  size_t largest = 0;

 protected:
  template <typename Node>
  Node* Add(std::unique_ptr<Node> node) {
    Node* const added = node.get();
    machines_.push_back(std::move(node));
    return added;
  }
  // Destructors of machines may send.
  void RemoveAll() { machines_.clear(); }
  size_t machines() const { return machines_.size(); }

 private:
  struct Later {
    uint64_t at_us;
    uint64_t order;
    Datagram datagram;
    bool operator<(const Later& other) const {
      return at_us != other.at_us ? at_us > other.at_us : order > other.order;
    }
  };

  Machine* Owner(const Endpoint& to, SocketId* socket);

  std::vector<std::unique_ptr<Machine>> machines_;
  std::priority_queue<Later> queue_;
  uint64_t order_ = 0;
  uint64_t link_free_us_ = 0;
};

}  // namespace xtp::sim

#endif  // XTP_COMMON_TESTING_NETWORK_H_
