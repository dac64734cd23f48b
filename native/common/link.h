// The data link: a stream socket to the parent, multistream-select on it, and
// then the mux. Owns the descriptor. I/O thread only.
#ifndef XTP_COMMON_LINK_H_
#define XTP_COMMON_LINK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "common/mux.h"
#include "common/negotiation.h"
#include "common/status.h"

namespace xtp {

struct LinkCounters {
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t read_calls = 0;
  uint64_t write_calls = 0;
};

class Link : private MuxDelegate {
 public:
  using OnOpen = std::function<bool(Stream*, uint32_t, uint32_t)>;

  // `on_open` as MuxDelegate::OnStreamOpen.
  Link(int fd, const MuxOptions& options, OnOpen on_open);
  ~Link() override;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  int fd() const { return fd_; }
  Mux& mux() { return mux_; }
  const LinkCounters& counters() const { return counters_; }

  // Reads a bounded burst and runs the stream handlers. True: the link goes
  // on. False: it is over, status() says why.
  bool Read();
  // Writes what the kernel takes. As Read.
  bool Flush();
  // Tells writers that room is there; call after Flush.
  void Dispatch() { mux_.Dispatch(); }

  // The link is over; kOk means that the parent ended it in good order.
  bool over() const { return over_; }
  const Status& status() const { return status_; }
  bool wants_read() const { return !over_ && mux_.WantsInput(); }
  bool wants_write() const { return !over_ && blocked_; }
  bool has_output() const { return !gone_ && pending_bytes() > 0; }
  bool NeedsDispatch() const { return !over_ && mux_.NeedsDispatch(); }

  // Ends it from this side: resets the streams, says GO_AWAY, waits at most
  // `linger_ms` for the last bytes to leave, closes the descriptor.
  void Close(uint32_t code, int linger_ms);

 private:
  bool OnStreamOpen(Stream* stream, uint32_t connection,
                    uint32_t kind) override;
  void OnOutputFull() override {
    if (!blocked_) Flush();
  }

  size_t pending_bytes() const;
  Status Negotiate(const uint8_t* data, size_t length);
  ssize_t WriteSome();
  void Over(Status status);

  int fd_;
  OnOpen on_open_;
  Negotiation negotiation_;
  std::string reply_;  // of the negotiation, goes out before the mux' bytes
  Mux mux_;
  bool is_socket_ = true;
  bool blocked_ = false;
  bool gone_ = false;  // nobody reads what we would write
  bool over_ = false;
  Status status_;
  LinkCounters counters_;
};

}  // namespace xtp

#endif  // XTP_COMMON_LINK_H_
