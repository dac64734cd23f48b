// xtp_utp.node: the uTP engine as src/xtp/service/binding.ts describes it.
#include "common/napi_support.h"
#include "utp/engine.h"

XTP_TRANSPORT_ADDON(&xtp::utp::CreateEngine,
                    "xtp-utp 0.1.0, libutp of utp-native 2.5.3", false)
