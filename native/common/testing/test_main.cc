// Runs all tests of an executable, or those whose name contains an argument.
#include <cstdio>
#include <cstring>
#include <vector>

#include "common/testing/test.h"

namespace xtp {
namespace test {
namespace {

struct Case {
  const char* name;
  void (*function)();
};

std::vector<Case>& Cases() {
  static std::vector<Case> cases;
  return cases;
}

int failures = 0;

}  // namespace

Registration::Registration(const char* name, void (*function)()) {
  Cases().push_back({name, function});
}

void Fail(const char* file, int line, const char* what) {
  failures++;
  std::fprintf(stderr, "%s:%d: FAILED: %s\n", file, line, what);
}

int RunAll(int argc, char** argv) {
  int ran = 0, failed = 0;
  for (const Case& c : Cases()) {
    bool wanted = argc < 2;
    for (int i = 1; i < argc; i++) wanted |= strstr(c.name, argv[i]) != nullptr;
    if (!wanted) continue;
    const int before = failures;
    c.function();
    ran++;
    if (failures != before) failed++;
    std::printf("%s %s\n", failures == before ? "ok  " : "FAIL", c.name);
    std::fflush(stdout);
  }
  std::printf("%d tests, %d failed\n", ran, failed);
  return ran > 0 && failed == 0 ? 0 : 1;
}

}  // namespace test
}  // namespace xtp

int main(int argc, char** argv) { return xtp::test::RunAll(argc, argv); }
