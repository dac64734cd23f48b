#include "common/byte_queue.h"

#include <string>

#include "common/testing/test.h"

namespace xtp {
namespace {

void Append(ByteQueue* queue, const std::string& bytes) {
  queue->Append(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

std::string Front(const ByteQueue& queue) {
  const iovec front = queue.front();
  return std::string(static_cast<const char*>(front.iov_base), front.iov_len);
}

TEST(BytesComeOutAsTheyWentIn) {
  test::Random random(3);
  ByteQueue queue;
  std::string in, out;
  for (int i = 0; i < 20000; i++) {
    if (random.OneIn(2)) {
      const std::string bytes(random.Below(random.OneIn(10) ? 100000 : 2000),
                              static_cast<char>(i));
      Append(&queue, bytes);
      in += bytes;
    }
    while (!queue.empty() && !random.OneIn(3)) {
      const std::string front = Front(queue);
      CHECK(!front.empty());
      const size_t taken =
          1 + random.Below(static_cast<uint32_t>(front.size()));
      out += front.substr(0, taken);
      queue.Consume(taken);
    }
    CHECK_EQ(queue.size(), in.size() - out.size());
  }
  while (!queue.empty()) {
    out += Front(queue);
    queue.Consume(queue.front().iov_len);
  }
  CHECK(in == out);
}

TEST(AClearedQueueIsANewOne) {
  ByteQueue queue;
  for (const size_t length : {0, 1, 16 * 1024, 100000}) {
    Append(&queue, std::string(length, 'x'));
    queue.Clear();
    CHECK(queue.empty());
    Append(&queue, "new");
    CHECK_EQ(Front(queue), std::string("new"));
    queue.Consume(3);
    CHECK(queue.empty());
  }
  Append(&queue, "left to its destructor");
}

}  // namespace
}  // namespace xtp
