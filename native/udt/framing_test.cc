#include "udt/framing.h"

#include <cstring>
#include <string>
#include <vector>

#include "common/testing/test.h"

namespace xtp::udt {
namespace {

const std::string kGreeting(reinterpret_cast<const char*>(kPreface),
                            kPrefaceBytes);

std::string Frame(FrameType type, uint32_t length) {
  uint8_t header[kFrameHeaderBytes];
  PutFrameHeader(header, type, length);
  return std::string(reinterpret_cast<char*>(header), sizeof header);
}

// Gives `bytes` to `reader` in steps of `step`; data is collected.
Status Feed(FrameReader* reader, const std::string& bytes, size_t step,
            std::string* data) {
  size_t at = 0;
  while (at < bytes.size()) {
    size_t size = std::min(step, bytes.size() - at);
    if (reader->data_left() > 0) {
      size = std::min<size_t>(size, reader->data_left());
      data->append(bytes, at, size);
      reader->TookData(size);
    } else {
      size = std::min(size, reader->wanted());
      memcpy(reader->into(), bytes.data() + at, size);
      const Status status = reader->Took(size);
      if (!status.ok()) return status;
    }
    at += size;
  }
  return Status::Ok();
}

TEST(AWholeStreamInAnyPieces) {
  const std::string text(1000, 'x');
  const std::string bytes = kGreeting + Frame(FrameType::kData, 1000) + text +
                            Frame(FrameType::kEndTaken, 0) +
                            Frame(FrameType::kData, 1) + "y" +
                            Frame(FrameType::kEnd, 0);
  for (const size_t step : {1, 2, 3, 5, 7, 64, 4096}) {
    FrameReader reader;
    std::string data;
    CHECK(!reader.greeted());
    CHECK(Feed(&reader, bytes, step, &data).ok());
    CHECK(reader.greeted());
    CHECK_EQ(data, text + "y");
    CHECK(reader.ended());
    CHECK(reader.end_taken());
    CHECK(!reader.aborted());
  }
}

TEST(AnAbortHasACode) {
  FrameReader reader;
  std::string data;
  const std::string code("\x01\x02\x03\x04", 4);
  CHECK(Feed(&reader, kGreeting + Frame(FrameType::kAbort, 4) + code, 3, &data)
            .ok());
  CHECK(reader.aborted());
  CHECK_EQ(reader.code(), uint32_t{0x01020304});
  CHECK(!Feed(&reader, Frame(FrameType::kEnd, 0), 4, &data).ok());
}

TEST(AnotherPrefaceIsNoPeer) {
  for (size_t i = 0; i < kPrefaceBytes; i++) {
    FrameReader reader;
    std::string data;
    std::string wrong = kGreeting;
    wrong[i] ^= 1;
    const Status status = Feed(&reader, wrong, 8, &data);
    CHECK(status.code() == Code::kHandshakeFailed);
  }
}

TEST(WhatIsNotAllowed) {
  const std::string end = Frame(FrameType::kEnd, 0);
  const std::string wrong[] = {
      Frame(FrameType::kData, 0),
      Frame(FrameType::kData, kMaxDataBytes + 1),
      Frame(FrameType::kData, 0xffffff),
      Frame(FrameType::kEnd, 1),
      end + end,
      end + Frame(FrameType::kData, 1),
      Frame(FrameType::kEndTaken, 1),
      Frame(FrameType::kEndTaken, 0) + Frame(FrameType::kEndTaken, 0),
      Frame(FrameType::kAbort, 0),
      Frame(FrameType::kAbort, 5),
      Frame(static_cast<FrameType>(4), 0),
      Frame(static_cast<FrameType>(255), 1),
  };
  for (const std::string& bytes : wrong) {
    FrameReader reader;
    std::string data;
    const Status status = Feed(&reader, kGreeting + bytes, 64, &data);
    CHECK(status.code() == Code::kRemoteMisbehaved);
  }
}

}  // namespace
}  // namespace xtp::udt
