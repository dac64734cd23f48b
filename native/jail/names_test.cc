#include "names.h"

#include <cerrno>
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

}  // namespace
}  // namespace xtp
