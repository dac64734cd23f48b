// xtp_utp.node: the uTP engine as src/xtp/service/binding.ts describes it.
#include "common/napi_support.h"
#include "utp/engine.h"

namespace {

constexpr char kVersion[] = "xtp-utp 0.1.0, libutp of utp-native 2.5.3";

napi_value Init(napi_env env, napi_value exports) {
  return xtp::RegisterTransport(env, exports, &xtp::utp::CreateEngine,
                                kVersion);
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
