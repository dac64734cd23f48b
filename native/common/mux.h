// The data link's mux: yamux framing, server role, one Stream per connection.
// No I/O: bytes of the parent go in, a queue of bytes for the parent comes out.
// I/O thread only.
//
// Parsing never calls a handler: Received() only notes what happened, and
// Dispatch() then tells the handlers. So a handler may do anything to any
// stream, and nothing that a transport calls on a stream calls back.
#ifndef XTP_COMMON_MUX_H_
#define XTP_COMMON_MUX_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "common/intrusive_list.h"
#include "common/mux_output.h"
#include "common/slab.h"
#include "common/status.h"
#include "common/stream.h"
#include "common/yamux_frame.h"

namespace xtp {

class MuxDelegate {
 public:
  virtual ~MuxDelegate() = default;
  // From Dispatch. False refuses: the mux resets the stream with kNotFound.
  virtual bool OnStreamOpen(Stream* stream, uint32_t connection,
                            uint32_t kind) = 0;
  // From Stream::Write and Dispatch: the output is full. May write it out
  // (OutputSent), and must do nothing else to the mux.
  virtual void OnOutputFull() = 0;
};

struct MuxOptions {
  // Credit given to the parent per stream; at least kYamuxInitialWindow.
  uint32_t receive_window = 1024 * 1024;
  // With more streams than have such a window within this, further ones have
  // kYamuxInitialWindow: what waits for the network must fit the memory.
  uint64_t window_budget = 256 * 1024 * 1024;
  // Streams opened by the parent and still open; more are reset with
  // kResourceExhausted.
  size_t max_streams = 65536;
  // Payload waiting for the link before Write stops accepting.
  size_t output_limit = 256 * 1024;
};

class Mux {
 public:
  Mux(MuxDelegate* delegate, const MuxOptions& options);
  // Streams that are left get OnReset, as with Close.
  ~Mux();
  Mux(const Mux&) = delete;
  Mux& operator=(const Mux&) = delete;

  // --- input

  // Where the next bytes of the link go; valid until Received.
  uint8_t* ReceiveBuffer(size_t* room);
  // Takes the bytes that were put there. A failure is final: everything is
  // closed by it (Close is implied) and GO_AWAY is in the output.
  Status Received(size_t length);
  // The same for bytes from elsewhere, by copying them.
  Status Receive(const uint8_t* data, size_t length);
  // False while too many answers wait for the link: read on when they are out,
  // or a parent that does not read could make us queue without end.
  bool WantsInput() const;
  // The parent sent GO_AWAY.
  bool ended() const { return ended_; }

  // Runs the handlers: opens, resets, readable, writable. Bounded work; call
  // again (without waiting for I/O) while NeedsDispatch.
  void Dispatch();
  bool NeedsDispatch() const;

  // --- output

  const uint8_t* output() const { return output_.data(); }
  size_t output_size() const { return output_.size(); }
  void OutputSent(size_t length) { output_.Sent(length); }
  // The output grew out of all proportion: the parent does not read.
  bool Overflowed() const;

  // --- streams

  // Sends SYN and StreamHeader. Null after Close, or when ids are used up.
  Stream* Open(uint32_t connection, uint32_t kind);
  // Resets every stream with `code` and sends GO_AWAY. Idempotent.
  void Close(uint32_t code, uint32_t go_away_reason);
  bool closed() const { return closed_; }
  size_t stream_count() const { return streams_.size(); }
  // Slabs that hold unconsumed bytes, and the one being filled.
  size_t slabs() const { return slabs_.live() + small_slabs_.live(); }

 private:
  class StreamImpl;

  Status Parse(const uint8_t* data, const uint8_t* end);
  Status OnFrame(const YamuxFrame& frame);
  Status OnStreamFrame(const YamuxFrame& frame);
  Status OnSyn(const YamuxFrame& frame, StreamImpl** stream);
  Status OnFin(StreamImpl* stream);
  Status OnPayload(const uint8_t* data, size_t length);
  Status OnHeaderBytes(StreamImpl* stream, const uint8_t* data, size_t length,
                       size_t* taken);
  void Send(YamuxType type, uint16_t flags, uint32_t id, uint32_t length);
  // For a stream that is about to open.
  uint32_t NewWindow() const;
  void Forget(StreamImpl* stream);  // deletes it
  // Enough for a writer's turn to be worth it.
  bool HasRoom() const { return output_.room() >= options_.output_limit / 4; }
  void TellReset(StreamImpl* stream);  // the last call to its handler
  void DispatchEvents(StreamImpl* stream);
  void DispatchWritable();

  MuxDelegate* const delegate_;
  const MuxOptions options_;
  SlabPool slabs_;        // filled by the link reader
  SlabPool small_slabs_;  // pieces too small to hold on to one of the above
  SlabRef slab_;          // being filled
  MuxOutput output_;
  std::unordered_map<uint32_t, StreamImpl*> streams_;
  size_t remote_streams_ = 0;
  uint32_t last_remote_id_ = 0;
  uint32_t next_id_ = 2;  // 0 when used up
  bool closed_ = false;
  bool ended_ = false;

  // Parser: a header that is not whole, then the payload of a data frame.
  uint8_t header_[kYamuxHeaderBytes];
  size_t header_have_ = 0;
  uint32_t payload_left_ = 0;
  bool payload_fin_ = false;
  StreamImpl* payload_stream_ = nullptr;  // null: skip

  IntrusiveList<StreamImpl> events_;   // something to tell
  IntrusiveList<StreamImpl> waiters_;  // a short Write for lack of room
  StreamImpl* dispatched_ = nullptr;   // null once it died in its handler
  StreamImpl* writer_ = nullptr;       // whose OnWritable is running
  size_t turn_left_ = 0;               // bytes that it may still write
};

}  // namespace xtp

#endif  // XTP_COMMON_MUX_H_
