#include "common/napi_events.h"

#include <cstring>
#include <string>
#include <utility>

namespace xtp {
namespace {

// Adds properties to an object until one fails.
class ObjectBuilder {
 public:
  explicit ObjectBuilder(napi_env env) : env_(env) {
    if (napi_create_object(env, &object_) != napi_ok) object_ = nullptr;
  }

  void Number(const char* name, double number) {
    napi_value value;
    if (object_ == nullptr) return;
    Set(name, napi_create_double(env_, number, &value), &value);
  }

  void String(const char* name, const std::string& text) {
    napi_value value;
    if (object_ == nullptr) return;
    Set(name, napi_create_string_utf8(env_, text.data(), text.size(), &value),
        &value);
  }

  void Bytes(const char* name, const std::string& bytes) {
    if (object_ == nullptr) return;
    napi_value value = NapiBytes(env_, bytes);
    Set(name, value != nullptr ? napi_ok : napi_generic_failure, &value);
  }

  void SetEndpoint(const char* ip, const char* port, const Endpoint& value) {
    String(ip, value.ip());
    Number(port, value.port());
  }

  napi_value object() const { return object_; }

 private:
  void Set(const char* name, napi_status made, napi_value* value) {
    if (made != napi_ok ||
        napi_set_named_property(env_, object_, name, *value) != napi_ok) {
      object_ = nullptr;
    }
  }

  napi_env const env_;
  napi_value object_ = nullptr;
};

}  // namespace

napi_value NapiBytes(napi_env env, const std::string& bytes) {
  napi_value buffer, result;
  void* data;
  if (napi_create_arraybuffer(env, bytes.size(), &data, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_uint8_array, bytes.size(), buffer, 0,
                             &result) != napi_ok) {
    return nullptr;
  }
  if (!bytes.empty()) memcpy(data, bytes.data(), bytes.size());
  return result;
}

EventPump* EventPump::Create(napi_env env, napi_value on_event) {
  napi_value name;
  if (napi_create_string_utf8(env, "xtp events", NAPI_AUTO_LENGTH, &name) !=
      napi_ok) {
    return nullptr;
  }
  auto* pump = new EventPump();
  if (napi_create_threadsafe_function(env, on_event, nullptr, name, 0, 1, pump,
                                      &Finalize, pump, &CallJs,
                                      &pump->function_) != napi_ok) {
    delete pump;
    return nullptr;
  }
  return pump;
}

void EventPump::Push(Event event) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closing_) return;
  queue_.push_back(std::move(event));
  if (scheduled_) return;
  scheduled_ = true;
  // After napi_closing the function must not be used again.
  closing_ = napi_call_threadsafe_function(function_, nullptr,
                                           napi_tsfn_nonblocking) != napi_ok;
}

void EventPump::Release() {
  napi_release_threadsafe_function(function_, napi_tsfn_release);
}

void EventPump::Finalize(napi_env, void* data, void*) {
  delete static_cast<EventPump*>(data);
}

void EventPump::CallJs(napi_env env, napi_value on_event, void* context,
                       void*) {
  if (env == nullptr || on_event == nullptr) return;  // going away
  auto* pump = static_cast<EventPump*>(context);
  std::vector<Event> events;
  {
    std::lock_guard<std::mutex> lock(pump->mutex_);
    events.swap(pump->queue_);
    pump->scheduled_ = false;
  }
  for (const Event& event : events) {
    HandleScope scope(env);
    napi_value argument = NapiEvent(env, event);
    napi_value receiver;
    if (argument == nullptr || napi_get_undefined(env, &receiver) != napi_ok) {
      continue;
    }
    const napi_status status =
        napi_call_function(env, receiver, on_event, 1, &argument, nullptr);
    napi_value error;
    // One throwing call must not swallow the events behind it.
    if (status == napi_pending_exception &&
        napi_get_and_clear_last_exception(env, &error) == napi_ok) {
      napi_fatal_exception(env, error);
    }
  }
}

napi_value NapiEvent(napi_env env, const Event& event) {
  ObjectBuilder result(env);
  result.Number("kind", static_cast<uint32_t>(event.kind));
  result.Number("request", event.request);
  result.Number("listener", event.listener);
  result.Number("connection", event.connection);
  result.Number("level", event.level);
  result.Number("code", static_cast<uint32_t>(event.status.code()));
  result.Number("errno", event.status.error());
  result.String("message", event.status.message());
  result.SetEndpoint("localIp", "localPort", event.local);
  result.SetEndpoint("remoteIp", "remotePort", event.remote);
  result.Number("bytesIn", static_cast<double>(event.bytes_in));
  result.Number("bytesOut", static_cast<double>(event.bytes_out));
  result.String("text", event.text);
  if (event.kind == Event::Kind::kIncoming ||
      event.kind == Event::Kind::kConnected) {
    result.Bytes("certificate", event.certificate);
  }
  return result.object();
}

}  // namespace xtp
