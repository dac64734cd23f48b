// A TCP socket of the kernel as a ByteSocket. I/O thread only.
#ifndef XTP_TCP_SOCKET_H_
#define XTP_TCP_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/byte_engine.h"

namespace xtp::tcp {

class TcpEngine;

class TcpSocket final : public ByteSocket {
 public:
  // Takes a non-blocking descriptor that is connected, or connects.
  TcpSocket(TcpEngine* engine, int fd);
  ~TcpSocket() override;

  int fd() const { return fd_; }
  // A dial has begun; FinishConnect tells how it has gone, once poll(2) finds
  // something. `*done` false: it goes on.
  void WaitForConnect();
  Status FinishConnect(const std::string& what, bool* done);
  // poll(2) found something, which ends the wait for it.
  void OnReady(short events);

  // ByteSocket.
  Status Write(const iovec* slices, size_t count, size_t* taken) override;
  Status Read(uint8_t* buffer, size_t room, size_t* got, bool* end) override;
  Status EndWriting(bool* done) override;
  uint64_t Undelivered() override;
  Status Check() override;
  void Abort(uint32_t code) override;
  Endpoint local() const override;
  void AppendStats(std::string* text) const override;

 private:
  void WaitFor(short events);
  int TakeError();
  Status Lost(int error);

  TcpEngine* const engine_;
  int fd_;  // -1 once aborted
  short waits_ = 0;
  int error_ = 0;  // the first one: the kernel tells each only once
};

}  // namespace xtp::tcp

#endif  // XTP_TCP_SOCKET_H_
