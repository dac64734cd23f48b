// The parent's end of the data link for tests: a yamux client that keeps no
// more rules than it must, but checks that the mux keeps them all.
#ifndef XTP_COMMON_TESTING_YAMUX_CLIENT_H_
#define XTP_COMMON_TESTING_YAMUX_CLIENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "common/stream_header.h"
#include "common/testing/test.h"
#include "common/yamux_frame.h"

namespace xtp {
namespace test {

class YamuxClient {
 public:
  struct Stream {
    uint32_t id = 0;
    uint32_t connection = 0;  // 0 until the header is here
    uint32_t kind = 0;
    int64_t send_credit = kYamuxInitialWindow;
    int64_t receive_credit = kYamuxInitialWindow;
    uint64_t sent = 0;      // without the header
    uint64_t received = 0;  // without the header
    bool fin_sent = false;
    bool fin_received = false;
    bool reset_sent = false;
    bool reset_received = false;
    bool acknowledged = false;
    uint32_t reset_code = 0;
    std::string header;  // of a stream opened by the mux
    std::string data;    // received and not taken by the test
  };

  std::string out;  // bytes for the mux
  std::map<uint32_t, Stream> streams;
  uint64_t pongs = 0;
  uint32_t last_pong = 0;
  bool go_away = false;
  uint32_t go_away_reason = 0;

  void Frame(YamuxType type, uint16_t flags, uint32_t id, uint32_t length) {
    YamuxFrame frame;
    frame.type = type;
    frame.flags = flags;
    frame.stream_id = id;
    frame.length = length;
    uint8_t bytes[kYamuxHeaderBytes];
    EncodeYamuxFrame(frame, bytes);
    out.append(reinterpret_cast<char*>(bytes), sizeof bytes);
  }

  void Data(uint32_t id, uint16_t flags, const std::string& payload) {
    Frame(YamuxType::kData, flags, id, static_cast<uint32_t>(payload.size()));
    out += payload;
  }

  static std::string Header(uint32_t connection, uint32_t kind = 0) {
    uint8_t bytes[kMaxStreamHeaderPrefixed];
    const size_t length = EncodeStreamHeader({connection, kind}, bytes);
    return std::string(reinterpret_cast<char*>(bytes), length);
  }

  // `raise` is the credit given beyond the initial window.
  Stream& Open(uint32_t connection, uint32_t kind = 0, uint32_t raise = 0) {
    Stream& stream = streams[next_id_];
    stream.id = next_id_;
    stream.connection = connection;
    stream.kind = kind;
    stream.receive_credit += raise;
    Frame(YamuxType::kWindowUpdate, kYamuxSyn, stream.id, raise);
    const std::string header = Header(connection, kind);
    Data(stream.id, 0, header);
    stream.send_credit -= static_cast<int64_t>(header.size());
    next_id_ += 2;
    return stream;
  }

  void Write(Stream* stream, const std::string& payload, bool fin = false) {
    Data(stream->id, fin ? kYamuxFin : 0, payload);
    stream->send_credit -= static_cast<int64_t>(payload.size());
    stream->sent += payload.size();
    stream->fin_sent |= fin;
  }

  void Fin(Stream* stream) {
    Frame(YamuxType::kWindowUpdate, kYamuxFin, stream->id, 0);
    stream->fin_sent = true;
  }

  void Grant(Stream* stream, uint32_t bytes) {
    Frame(YamuxType::kWindowUpdate, 0, stream->id, bytes);
    stream->receive_credit += bytes;
  }

  void Reset(Stream* stream, uint32_t code) {
    Frame(YamuxType::kWindowUpdate, kYamuxRst, stream->id, code);
    stream->reset_sent = true;
  }

  // Bytes of the mux, in any pieces.
  void Receive(const uint8_t* data, size_t length) {
    in_.append(reinterpret_cast<const char*>(data), length);
    size_t at = 0;
    while (in_.size() - at >= kYamuxHeaderBytes) {
      YamuxFrame frame;
      const auto* bytes = reinterpret_cast<const uint8_t*>(in_.data()) + at;
      REQUIRE(DecodeYamuxFrame(bytes, &frame).ok());
      const size_t payload = frame.type == YamuxType::kData ? frame.length : 0;
      if (in_.size() - at < kYamuxHeaderBytes + payload) break;
      OnFrame(frame, in_.substr(at + kYamuxHeaderBytes, payload));
      at += kYamuxHeaderBytes + payload;
    }
    in_.erase(0, at);
  }

 private:
  void OnFrame(const YamuxFrame& frame, const std::string& payload) {
    if (frame.type == YamuxType::kGoAway) {
      go_away = true;
      go_away_reason = frame.length;
      return;
    }
    if (frame.type == YamuxType::kPing) {
      CHECK_EQ(frame.flags, kYamuxAck);
      pongs++;
      last_pong = frame.length;
      return;
    }
    const uint32_t id = frame.stream_id;
    if (frame.flags & kYamuxSyn) {
      CHECK_EQ(id % 2, uint32_t{0});
      CHECK(id > last_even_id_);
      last_even_id_ = id;
      streams[id].id = id;
    }
    auto found = streams.find(id);
    REQUIRE(found != streams.end());
    Stream& stream = found->second;
    CHECK(!stream.reset_received);
    if (frame.flags & kYamuxAck) stream.acknowledged = true;
    if (frame.flags & kYamuxRst) {
      stream.reset_received = true;
      stream.reset_code =
          frame.type == YamuxType::kWindowUpdate ? frame.length : 0;
      return;
    }
    if (frame.type == YamuxType::kWindowUpdate) {
      stream.send_credit += frame.length;
      CHECK(stream.send_credit <= kYamuxMaxWindow);
    } else if (!payload.empty()) {
      CHECK(!stream.fin_received);
      stream.receive_credit -= frame.length;
      CHECK(stream.receive_credit >= 0);
      OnPayload(&stream, payload);
    }
    if (frame.flags & kYamuxFin) {
      CHECK(!stream.fin_received);
      stream.fin_received = true;
    }
  }

  void OnPayload(Stream* stream, const std::string& payload) {
    size_t taken = 0;
    if (stream->connection == 0) {
      const bool whole = [&] {
        while (taken < payload.size()) {
          stream->header.push_back(payload[taken++]);
          if (stream->header.size() == 1u + uint8_t(stream->header[0])) {
            return true;
          }
        }
        return false;
      }();
      if (whole) {
        StreamHeader header;
        CHECK(DecodeStreamHeader(
                  reinterpret_cast<const uint8_t*>(stream->header.data()) + 1,
                  stream->header.size() - 1, &header)
                  .ok());
        stream->connection = header.connection;
        stream->kind = header.kind;
      }
    }
    stream->data.append(payload, taken, std::string::npos);
    stream->received += payload.size() - taken;
  }

  uint32_t next_id_ = 1;
  uint32_t last_even_id_ = 0;
  std::string in_;
};

}  // namespace test
}  // namespace xtp

#endif  // XTP_COMMON_TESTING_YAMUX_CLIENT_H_
