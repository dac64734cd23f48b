// Lets a test program run inside node, whose OpenSSL it uses: loading the
// module runs the tests and ends the process (vendor/libquic/README.md).
#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif
#include <node_api.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace xtp::test {
int RunAll(int argc, char** argv);
}

namespace {

napi_value Init(napi_env, napi_value exports) {
  // One part of a test's name; empty runs all.
  const char* only = std::getenv("XTP_TEST_ONLY");
  std::string name = "test", filter = only != nullptr ? only : "";
  char* arguments[] = {name.data(), filter.data(), nullptr};
  const int code = xtp::test::RunAll(filter.empty() ? 1 : 2, arguments);
  fflush(nullptr);
  _Exit(code);
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
