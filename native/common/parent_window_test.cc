#include "common/parent_window.h"

#include "common/testing/test.h"

namespace xtp {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

// Only what a ParentWindow asks for.
class WidenedStream : public Stream {
 public:
  void set_handler(StreamHandler*) override {}
  size_t Write(const uint8_t*, size_t) override { return 0; }
  void CloseWrite() override {}
  size_t Peek(iovec*, size_t) override { return 0; }
  size_t PeekFrom(size_t, iovec*, size_t) override { return 0; }
  size_t readable() const override { return 0; }
  void Consume(size_t) override {}
  void Widen(uint32_t bytes) override { widened += bytes; }
  bool FinReceived() const override { return false; }
  bool ReadEnded() const override { return false; }
  void Reset(uint32_t) override {}
  void Release() override {}

  uint64_t widened = 0;
};

// One second at that rate, in steps of a millisecond.
void Run(ParentWindow* window, Stream* stream, uint64_t per_second) {
  static uint64_t now_us = 0;
  for (int i = 0; i < 1000; i++) {
    window->OnConsumed(stream, per_second / 1000, now_us += 1000);
  }
}

TEST(AFastParentGetsALargerWindow) {
  WindowBudget budget;
  WidenedStream stream;
  {
    ParentWindow window(&budget);
    Run(&window, &stream, 500 * kMiB);
    CHECK_EQ(stream.widened,
             ParentWindow::kMaxBytes - ParentWindow::kFirstBytes);
    CHECK_EQ(budget.left(), WindowBudget().left() - stream.widened);
    Run(&window, &stream, 500 * kMiB);
    CHECK_EQ(stream.widened,
             ParentWindow::kMaxBytes - ParentWindow::kFirstBytes);
  }
  CHECK_EQ(budget.left(), WindowBudget().left());
}

TEST(ASlowPathDoesNot) {
  WindowBudget budget;
  WidenedStream stream;
  ParentWindow window(&budget);
  Run(&window, &stream, 40 * kMiB);
  CHECK_EQ(stream.widened, uint64_t{0});
  // 512 KiB in 10 ms is the limit.
  Run(&window, &stream, 80 * kMiB);
  CHECK_EQ(stream.widened, kMiB);
}

TEST(AllTogetherGetNoMoreThanThereIs) {
  WindowBudget budget(3 * kMiB);
  WidenedStream streams[2];
  ParentWindow first(&budget);
  ParentWindow second(&budget);
  Run(&first, &streams[0], 500 * kMiB);
  CHECK_EQ(streams[0].widened, 3 * kMiB);
  Run(&second, &streams[1], 500 * kMiB);
  CHECK_EQ(streams[1].widened, uint64_t{0});
  CHECK_EQ(budget.left(), uint64_t{0});
}

}  // namespace
}  // namespace xtp
