// The UDT addon with one function more, deadlock(): a thread takes the lock
// of libudt that every call of its API needs, and keeps it, as a deadlock in
// there does. For a test with a real service; never part of a package.
#include <pthread.h>

#include <fstream>
#include <map>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "common/napi_support.h"
#include "udt/engine.h"

// The lock is nobody's business but libudt's.
#define private public
#include <udt/udt.h>
// after it: need its types
#include <udt/api.h>
#include <udt/core.h>
#undef private

namespace {

void* KeepLock(void*) {
  pthread_mutex_lock(&CUDT::s_UDTUnited.m_ControlLock);
  return nullptr;
}

napi_value Deadlock(napi_env, napi_callback_info) {
  pthread_t thread;
  if (pthread_create(&thread, nullptr, &KeepLock, nullptr) == 0) {
    pthread_detach(thread);
  }
  return nullptr;
}

napi_value Init(napi_env env, napi_value exports) {
  napi_value function;
  if (napi_create_function(env, "deadlock", NAPI_AUTO_LENGTH, &Deadlock,
                           nullptr, &function) != napi_ok ||
      napi_set_named_property(env, exports, "deadlock", function) != napi_ok) {
    return nullptr;
  }
  return xtp::RegisterTransport(env, exports, &xtp::udt::CreateEngine,
                                "xtp-udt that deadlocks", false);
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
