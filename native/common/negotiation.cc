#include "common/negotiation.h"

#include <algorithm>
#include <utility>

namespace xtp {
namespace {

constexpr size_t kMaxLineBytes = 1024;
constexpr char kMultistream[] = "/multistream/1.0.0";

void AppendLine(const std::string& text, std::string* out) {
  const size_t length = text.size() + 1;
  if (length >= 0x80) out->push_back(static_cast<char>(length | 0x80));
  out->push_back(static_cast<char>(length >= 0x80 ? length >> 7 : length));
  *out += text;
  out->push_back('\n');
}

Status Garbage(const char* why) {
  return Status(Code::kProtocolViolation,
                std::string("multistream-select: ") + why);
}

}  // namespace

Negotiation::Negotiation(std::string protocol)
    : protocol_(std::move(protocol)) {}

Status Negotiation::Receive(const uint8_t* data, size_t length,
                            size_t* consumed, std::string* reply) {
  size_t at = 0;
  *consumed = 0;
  while (at < length && !done()) {
    if (!in_body_) {
      const uint8_t byte = data[at++];
      length_ |= size_t{byte & 0x7fu} << (7 * prefix_bytes_);
      prefix_bytes_++;
      if (byte >= 0x80) {
        if (prefix_bytes_ == 2) return Garbage("line too long");
        continue;
      }
      if (length_ == 0) return Garbage("empty line");
      if (length_ > kMaxLineBytes) return Garbage("line too long");
      in_body_ = true;
      continue;
    }
    const size_t take = std::min(length - at, length_ - line_.size());
    line_.append(reinterpret_cast<const char*>(data + at), take);
    at += take;
    if (line_.size() < length_) break;
    Status status = Line(reply);
    if (!status.ok()) return status;
    line_.clear();
    length_ = 0;
    prefix_bytes_ = 0;
    in_body_ = false;
  }
  *consumed = at;
  return Status();
}

Status Negotiation::Line(std::string* reply) {
  if (line_.back() != '\n') return Garbage("line without a newline");
  line_.pop_back();
  if (state_ == State::kHeader) {
    if (line_ != kMultistream) return Garbage("unknown version");
    AppendLine(line_, reply);
    state_ = State::kProtocol;
    return Status();
  }
  if (line_ != protocol_) {
    AppendLine("na", reply);
    return Status(Code::kUnsupported,
                  "multistream-select: only " + protocol_ + " is spoken here");
  }
  AppendLine(line_, reply);
  state_ = State::kDone;
  return Status();
}

}  // namespace xtp
