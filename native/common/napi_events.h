// How an Event gets from the I/O thread to JavaScript.
#ifndef XTP_COMMON_NAPI_EVENTS_H_
#define XTP_COMMON_NAPI_EVENTS_H_

#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif
#include <node_api.h>

#include <mutex>
#include <string>
#include <vector>

#include "common/transport.h"

namespace xtp {

class HandleScope {
 public:
  explicit HandleScope(napi_env env) : env_(env) {
    ok_ = napi_open_handle_scope(env, &scope_) == napi_ok;
  }
  ~HandleScope() {
    if (ok_) napi_close_handle_scope(env_, scope_);
  }
  HandleScope(const HandleScope&) = delete;
  HandleScope& operator=(const HandleScope&) = delete;

 private:
  napi_env const env_;
  napi_handle_scope scope_ = nullptr;
  bool ok_;
};

// Carries events from any thread to onEvent on JavaScript's. Belongs to its
// threadsafe function, whose finalizer deletes it.
class EventPump {
 public:
  // Null on failure.
  static EventPump* Create(napi_env env, napi_value on_event);

  // Any thread. Silently dropped once the environment goes away.
  void Push(Event event);

  // No Push after this. What is queued is still delivered.
  void Release();

 private:
  EventPump() = default;

  static void Finalize(napi_env env, void* data, void* hint);
  static void CallJs(napi_env env, napi_value on_event, void* context, void*);

  napi_threadsafe_function function_ = nullptr;
  std::mutex mutex_;  // guards the rest
  std::vector<Event> queue_;
  bool scheduled_ = false;  // a CallJs is on its way
  bool closing_ = false;    // the environment is going away
};

// A Uint8Array with a copy; null on failure.
napi_value NapiBytes(napi_env env, const std::string& bytes);

// Event as NativeEvent of src/xtp/service/binding.ts; null on failure.
napi_value NapiEvent(napi_env env, const Event& event);

}  // namespace xtp

#endif  // XTP_COMMON_NAPI_EVENTS_H_
