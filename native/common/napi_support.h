// The JavaScript face of a service: Binding of src/xtp/service/binding.ts on
// plain C N-API. An addon is this much code:
//
//   XTP_TRANSPORT_ADDON(&CreateEngine, "xtp-utp 1.0, libutp 2.5.3", false)
//
// Nothing here throws C++ exceptions; a failed N-API call leaves a JavaScript
// exception pending or gives up quietly where the environment is going away.
#ifndef XTP_COMMON_NAPI_SUPPORT_H_
#define XTP_COMMON_NAPI_SUPPORT_H_

#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif
#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/controlled_transport.h"

namespace xtp {

// Defines start, stop, listen, unlisten, accept, dial, close, stats, lockdown,
// ioAgeMs and version on `exports`. State is per environment and goes with it;
// at most one engine runs per process. Null if N-API failed (exception
// pending).
//
// With `native_security` also generateKey and setCertificate, for the
// transport's Identity (controlled_transport.h).
//
// start() understands these settings and gives the others to the factory:
//   spin_us            0..1e6, default 200
//   udp_gso, udp_gro, udp_mmsg     0 or 1, default 1
//   udp_buffer_bytes   4096..2^30, default 4 MiB
//   link_window_bytes  256 KiB..2^30, default 1 MiB
//   die_with_parent    0 or 1, default 0; Linux: PR_SET_PDEATHSIG SIGKILL
//   parent_pid         checked against getppid() after that, if given
//   exit_on_link_lost  0 or 1, default 1
//   socket_fd          lent sockets come from there (lent_sockets.h), default
//                      -1: sockets are made here
napi_value RegisterTransport(napi_env env, napi_value exports,
                             TransportFactory factory, const char* version,
                             bool native_security = false);

// The whole of an addon's own code: factory, version, native security.
#define XTP_TRANSPORT_ADDON(factory, version, native_security)    \
  static napi_value XtpInit(napi_env env, napi_value exports) {   \
    return xtp::RegisterTransport(env, exports, factory, version, \
                                  native_security);               \
  }                                                               \
  NAPI_MODULE(NODE_GYP_MODULE_NAME, XtpInit)

// Checked access to the arguments of a call. The getters throw a TypeError
// that names the argument, and return false, when it is not what they want.
class NapiArguments {
 public:
  static constexpr size_t kMax = 6;

  // Throws (and every getter then fails) if fewer than `expected` were given.
  NapiArguments(napi_env env, napi_callback_info info, size_t expected);

  bool ok() const { return ok_; }
  void* data() const { return data_; }  // of napi_create_function
  napi_value operator[](size_t index) const { return values_[index]; }

  bool Uint32(size_t index, const char* name, uint32_t* out) const;
  bool Port(size_t index, const char* name, uint16_t* out) const;
  bool Bool(size_t index, const char* name, bool* out) const;
  // At most `max_bytes` of UTF-8.
  bool String(size_t index, const char* name, size_t max_bytes,
              std::string* out) const;
  bool Bytes(size_t index, const char* name, size_t max_bytes,
             std::string* out) const;

 private:
  napi_env const env_;
  bool ok_ = false;
  void* data_ = nullptr;
  napi_value values_[kMax] = {};
};

// Throws `new Error(message)` with `code`, unless an exception is pending.
void NapiThrow(napi_env env, const char* code, const std::string& message);

}  // namespace xtp

#endif  // XTP_COMMON_NAPI_SUPPORT_H_
