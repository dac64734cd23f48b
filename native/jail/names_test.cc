#include "names.h"

#include <cerrno>
#include <csignal>
#include <string>

#include "common/testing/test.h"

namespace xtp {
namespace {

std::string Name(int error) { return errno_name(error); }

TEST(ErrorsHaveTheirPosixNames) {
  CHECK_EQ(Name(EADDRINUSE), "EADDRINUSE");
  CHECK_EQ(Name(EPERM), "EPERM");
  CHECK_EQ(Name(ENOSPC), "ENOSPC");
  CHECK_EQ(Name(EAGAIN), "EAGAIN");
  CHECK_EQ(Name(ECANCELED), "ECANCELED");
  CHECK_EQ(Name(12345), "E12345");
  CHECK_EQ(Name(0), "E0");
}

TEST(EveryErrorIsOneShortWord) {
  for (int error = 1; error < 134; error++) {
    const std::string name = Name(error);
    CHECK(name.size() >= 2 && name.size() <= 16 && name[0] == 'E');
    CHECK(name.find(' ') == std::string::npos);
  }
}

TEST(SignalsByNameAndNumber) {
  CHECK_EQ(signal_number("TERM"), SIGTERM);
  CHECK_EQ(signal_number("SIGTERM"), SIGTERM);
  CHECK_EQ(signal_number("15"), 15);
  CHECK_EQ(signal_number("1"), 1);
  CHECK_EQ(signal_number("64"), 64);
  CHECK_EQ(signal_number("SYS"), SIGSYS);
  for (const char* wrong : {"", "0", "65", "-9", "term", "SIG", "SIGSIGTERM",
                            "TERM ", "015", "9x"}) {
    CHECK_EQ(signal_number(wrong), 0);
  }
}

}  // namespace
}  // namespace xtp
