// A UDT socket as a ByteSocket: non-blocking, with the framing of spec/udt.md.
#ifndef XTP_UDT_SOCKET_H_
#define XTP_UDT_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/byte_engine.h"
#include "udt/channel.h"
#include "udt/framing.h"
#include "udt/waiter.h"

namespace xtp::udt {

// What sockets need of their engine. I/O thread only.
class SocketOwner {
 public:
  virtual ~SocketOwner() = default;
  virtual uint64_t clock_us() const = 0;
  virtual Waiter& waiter() = 0;
  // Room for one frame, until the call ends.
  virtual uint8_t* frame_buffer() = 0;
  // Closes a UDT socket, later if something of it should still leave.
  virtual void Bury(int socket, Channel* channel, bool at_once) = 0;
};

class UdtSocket final : public ByteSocket {
 public:
  // Takes a UDT socket that is connected, or that connects. `frame_bytes`: the
  // longest frame, header included, that fills whole packets.
  UdtSocket(SocketOwner* owner, std::shared_ptr<Channel> channel, int socket,
            size_t frame_bytes);
  ~UdtSocket() override;

  int socket() const { return socket_; }
  // When the engine took it, or the last one that took its place.
  uint64_t since_us() const { return since_us_; }
  // It is connected: says the preface, wants to be told of bytes.
  void Opened();
  // The peer's preface has come.
  bool greeted() const { return reader_.greeted(); }
  // A dial's next attempt; takes the place of the UDT socket that failed.
  void Replace(int socket);
  // The peer's libudt has closed the connection, or knows nothing of it.
  void OnPeerGone() { peer_gone_ = true; }

  // ByteSocket.
  Status Write(const iovec* slices, size_t count, size_t* taken) override;
  Status Flush() override;
  Status Read(uint8_t* buffer, size_t room, size_t* got, bool* end) override;
  Status EndWriting(bool* done) override;
  uint64_t Undelivered() override;
  Status Check() override;
  void Abort(uint32_t code) override;
  void AppendStats(std::string* text) const override;

  // Reads what is no data, until there is data or nothing: the preface, and
  // what comes after the peer's end. A failure is final.
  Status ReadControl();

 private:
  bool FlushStaged();
  size_t Send(const uint8_t* data, size_t length);
  size_t BuildFrame(const iovec* slices, size_t count, size_t* taken);
  void StageControl(FrameType type);
  Status ReadFrames(uint8_t* buffer, size_t room, size_t* got);
  Status LostStatus() const;
  void UpdateInterest();
  int64_t QueuedPackets() const;

  SocketOwner* const owner_;
  const std::shared_ptr<Channel> channel_;
  const size_t frame_bytes_;
  int socket_;
  uint64_t since_us_;
  int interest_ = 0;
  bool read_waits_ = true;    // for bytes of the peer
  bool write_waits_ = false;  // for room
  bool opened_ = false;
  bool peer_gone_ = false;
  bool lost_ = false;

  FrameReader reader_;
  bool end_told_ = false;        // the peer's end, to the reader of this socket
  std::vector<uint8_t> staged_;  // frames that libudt has no room for yet
  size_t staged_at_ = 0;
  bool end_staged_ = false;
  // All is acknowledged save kEndTaken, which is waited for until then.
  uint64_t end_taken_until_us_ = 0;
};

}  // namespace xtp::udt

#endif  // XTP_UDT_SOCKET_H_
