// xtp_tcp.node: the engine as the service's JavaScript drives it.
#include "common/napi_support.h"
#include "engine.h"

XTP_TRANSPORT_ADDON(&xtp::tcp::CreateEngine, "xtp-tcp 0.1.0", false)
