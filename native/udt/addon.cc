// xtp_udt.node: the UDT engine as src/xtp/service/binding.ts describes it.
#include "common/napi_support.h"
#include "udt/engine.h"

XTP_TRANSPORT_ADDON(&xtp::udt::CreateEngine, "xtp-udt 0.1.0, libudt 4.11",
                    false)
