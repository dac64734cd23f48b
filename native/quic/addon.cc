// xtp_quic.node: the QUIC engine as src/xtp/service/binding.ts describes it.
#include "common/napi_support.h"
#include "quic/engine.h"

namespace {

constexpr char kVersion[] = "xtp-quic 0.1.0, ngtcp2 " NGTCP2_VERSION;

napi_value Init(napi_env env, napi_value exports) {
  return xtp::RegisterTransport(env, exports, &xtp::quic::CreateEngine,
                                kVersion, true);
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
