// UDT 4 for XTP: libudt between the parent's streams and lent UDP sockets.
//
// libudt has threads of its own: one for all (its garbage collector), two for
// each UDP socket. They reach a UDP socket through a Channel. The engine's
// calls into libudt are all made by the I/O thread, save epoll_wait2, which
// the Waiter's thread makes.
#ifndef XTP_UDT_ENGINE_H_
#define XTP_UDT_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/byte_engine.h"
#include "udt/channel.h"
#include "udt/settings.h"
#include "udt/socket.h"
#include "udt/waiter.h"

namespace xtp::udt {

class Port;

class UdtEngine final : public ByteEngine, public SocketOwner {
 public:
  // Init before anything else.
  UdtEngine(Host* host, const Settings& settings);
  ~UdtEngine() override;
  Status Init();

  uint64_t LastAliveUs(uint64_t now_us) override;
  void OnStop(uint64_t now_us) override;

 private:
  friend class Port;

  // An inbound connection whose preface has not come.
  struct HalfOpen {
    Port* port;
    Endpoint peer;
    std::unique_ptr<UdtSocket> socket;
    uint64_t until_us;
  };
  struct Dying {
    int socket;
    std::shared_ptr<Channel> channel;
    uint64_t until_us;
    // A dial whose answer libudt has had, and what Channel::settled was then.
    bool answered;
    uint64_t settled;
  };

  // ByteEngine and EngineBase.
  Status OpenPort(const Endpoint& local,
                  std::unique_ptr<PortBase>* out) override;
  void CloseSocket(SocketId) override {}  // the port has done it
  Status Connect(PortBase* port, ByteConnection* connection,
                 std::unique_ptr<ByteSocket>* out) override;
  uint64_t BeginRound() override;
  uint64_t EndRound() override;
  void AppendStats(std::string* text) const override;

  // SocketOwner.
  uint64_t clock_us() const override { return now_us(); }
  Waiter& waiter() override { return waiter_; }
  uint8_t* frame_buffer() override { return frame_buffer_.get(); }
  void Bury(int socket, Channel* channel, bool at_once) override;

  Status NewSocket(const Channel& channel, int* out);
  size_t FrameBytes(const Channel& channel) const;
  void Ready(int socket);
  void DialIsReady(ByteConnection* connection, UdtSocket* socket);
  void Refused(ByteConnection* connection);
  void OnNotice(const Notice& notice);
  void AcceptAll(Port* port);
  void TryPreface(int socket);
  void Scan();
  void CloseDying(bool all);
  static bool IsBeingAnswered(const Dying& dying);
  void UpdateChannels();
  void Close(int socket, Channel* channel);

  const Settings settings_;
  const std::shared_ptr<ChannelOwner> owner_;
  Waiter waiter_;
  const std::unique_ptr<uint8_t[]> frame_buffer_;
  SocketId next_port_ = 1;
  // By UDT socket. Listeners are their ports' own.
  std::unordered_map<int, ByteConnection*> sockets_;
  std::unordered_map<int, Port*> listeners_;
  std::unordered_map<int, HalfOpen> half_open_;
  std::vector<Dying> dying_;
  std::vector<int> ready_;
  std::vector<Notice> notices_;
  bool took_ready_ = false;
  uint64_t next_scan_us_ = 0;
  uint64_t prefaces_failed_ = 0;
  bool stopped_ = false;
};

// For RegisterTransport.
std::unique_ptr<ControlledTransport> CreateEngine(
    Host* host, const TransportSettings& settings, Status* status);

}  // namespace xtp::udt

#endif  // XTP_UDT_ENGINE_H_
