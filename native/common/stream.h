// One stream of the data link, as a transport sees it. I/O thread only.
#ifndef XTP_COMMON_STREAM_H_
#define XTP_COMMON_STREAM_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace xtp {

// What the parent does to a stream. Calls come from the I/O thread, never from
// inside a call that the transport makes on the same stream.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // New bytes, or the end of them, can be had from Peek.
  virtual void OnReadable() = 0;
  // After a short Write: credit or room is there again.
  virtual void OnWritable() = 0;
  // The parent granted `bytes` more of credit, beyond kYamuxInitialWindow at
  // the start. For transports whose own window follows the parent's.
  virtual void OnCredit(uint32_t /*bytes*/) {}
  // The parent reset the stream, or the link is gone. The Stream is dead after
  // this call returns: do not touch it again.
  virtual void OnReset(uint32_t code) = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;

  virtual void set_handler(StreamHandler* handler) = 0;

  // Towards the parent. Copies as many bytes as credit and the link's buffer
  // allow and returns their number; OnWritable follows a short count.
  virtual size_t Write(const uint8_t* data, size_t length) = 0;
  // Half-close: FIN behind everything written.
  virtual void CloseWrite() = 0;

  // From the parent. Fills up to `max` slices of received, unconsumed bytes,
  // valid until the next Consume; returns the number of slices.
  virtual size_t Peek(iovec* slices, size_t max) = 0;
  // The same from behind the first `offset` unconsumed bytes. What is peeked
  // stays where it is until it is consumed, or OnReset has returned: a
  // transport may send it from there, and again.
  virtual size_t PeekFrom(size_t offset, iovec* slices, size_t max) = 0;
  // Unconsumed bytes.
  virtual size_t readable() const = 0;
  // Gives back `length` bytes of Peek's, and so the parent's credit for them.
  virtual void Consume(size_t length) = 0;
  // Gives the parent credit without having consumed anything: a larger window
  // for this stream.
  virtual void Widen(uint32_t bytes) = 0;
  // The same, and credit comes back in larger steps from now on: half of the
  // window at a time.
  virtual void Enlarge(uint32_t bytes) { Widen(bytes); }
  // The parent half-closed, whatever has been consumed.
  virtual bool FinReceived() const = 0;
  // The parent half-closed and every byte has been consumed.
  virtual bool ReadEnded() const = 0;

  // Abrupt end with an error code. The Stream is dead afterwards. A stream
  // whose both directions ended (CloseWrite done, ReadEnded true) must be given
  // back with Release.
  virtual void Reset(uint32_t code) = 0;
  // Forgets an orderly finished stream. The Stream is dead afterwards.
  virtual void Release() = 0;
};

}  // namespace xtp

#endif  // XTP_COMMON_STREAM_H_
