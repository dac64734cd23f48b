// xtp_quic.node: the QUIC engine as src/xtp/service/binding.ts describes it.
#include "common/napi_support.h"
#include "quic/engine.h"

XTP_TRANSPORT_ADDON(&xtp::quic::CreateEngine,
                    "xtp-quic 0.1.0, ngtcp2 " NGTCP2_VERSION, true)
