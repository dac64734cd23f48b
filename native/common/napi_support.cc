#include "common/napi_support.h"

#include <unistd.h>
#if defined(__linux__)
#include <signal.h>
#include <sys/prctl.h>
#endif

#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "common/io_thread.h"
#include "common/lockdown.h"
#include "common/napi_events.h"

namespace xtp {
namespace {

constexpr size_t kMaxIpBytes = 128;
constexpr size_t kMaxSettingNameBytes = 128;
constexpr uint32_t kMaxSettings = 256;

constexpr char kInvalidArgument[] = "ERR_XTP_INVALID_ARGUMENT";
constexpr char kEngineInUse[] = "ERR_XTP_ENGINE_IN_USE";
constexpr char kNotStarted[] = "ERR_XTP_NOT_STARTED";
constexpr char kStartFailed[] = "ERR_XTP_START_FAILED";
constexpr char kLockdownFailed[] = "ERR_XTP_LOCKDOWN_FAILED";

// The only mutable static: transport libraries have global state of their own
// (libutp does), so a second engine, in a worker for example, is refused.
std::atomic<bool> engine_in_use{false};

// Settings of start(), those of common split from the transport's.
struct Settings {
  IoSettings io;
  bool die_with_parent = false;
  pid_t parent_pid = 0;
  TransportSettings transport;
};

Status ParseSettings(const TransportSettings& given, Settings* out) {
  struct Number {
    const char* name;
    double min, max, value;
  };
  const IoSettings defaults;
  Number numbers[] = {
      {"spin_us", 0, 1e6, static_cast<double>(defaults.spin_us)},
      {"udp_gso", 0, 1, 1},
      {"udp_gro", 0, 1, 1},
      {"udp_mmsg", 0, 1, 1},
      {"udp_buffer_bytes", 4096, 1 << 30,
       static_cast<double>(defaults.udp.buffer_bytes)},
      {"link_window_bytes", kYamuxInitialWindow, 1 << 30,
       static_cast<double>(defaults.mux.receive_window)},
      {"die_with_parent", 0, 1, 0},
      {"parent_pid", 0, 0x7fffffff, 0},
      {"exit_on_link_lost", 0, 1, 1},
      {"socket_fd", -1, 0x7fffffff, -1},
  };
  for (const auto& setting : given) {
    Number* known = nullptr;
    for (Number& number : numbers) {
      if (setting.first == number.name) known = &number;
    }
    if (known == nullptr) {
      out->transport.push_back(setting);
      continue;
    }
    // Written so that NaN fails.
    if (!(setting.second >= known->min && setting.second <= known->max) ||
        std::floor(setting.second) != setting.second) {
      return Status(Code::kInvalidArgument,
                    "setting " + setting.first + " must be an integer from " +
                        std::to_string(static_cast<int64_t>(known->min)) +
                        " to " +
                        std::to_string(static_cast<int64_t>(known->max)));
    }
    known->value = setting.second;
  }
  out->io.spin_us = static_cast<uint32_t>(numbers[0].value);
  out->io.udp.gso = numbers[1].value != 0;
  out->io.udp.gro = numbers[2].value != 0;
  out->io.udp.mmsg = numbers[3].value != 0;
  out->io.udp.buffer_bytes = static_cast<int>(numbers[4].value);
  out->io.mux.receive_window = static_cast<uint32_t>(numbers[5].value);
  out->die_with_parent = numbers[6].value != 0;
  out->parent_pid = static_cast<pid_t>(numbers[7].value);
  out->io.exit_on_link_lost = numbers[8].value != 0;
  out->io.socket_fd = static_cast<int>(numbers[9].value);
  return Status();
}

Status BindToParent(const Settings& settings) {
#if defined(__linux__)
  if (settings.die_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
    return Status::FromErrno(errno, "PR_SET_PDEATHSIG");
  }
#endif
  // It may have died before the signal was armed.
  if (settings.parent_pid != 0 && getppid() != settings.parent_pid) {
    return Status(Code::kUnavailable, "the parent process is gone");
  }
  return Status();
}

// What belongs to one environment. JavaScript's thread only.
class Addon {
 public:
  Addon(napi_env env, TransportFactory factory)
      : env_(env), factory_(factory) {}
  ~Addon() { Stop(); }

  bool running() const { return io_ != nullptr; }

  // 0 while there is no thread.
  uint64_t IoAgeMs() const {
    if (!running()) return 0;
    const uint64_t now = IoThread::NowUs();
    const uint64_t last = io_->heartbeat_us();
    return now > last ? (now - last) / 1000 : 0;
  }

  Status Start(int fd, const Settings& settings, napi_value on_event) {
    Status status = BindToParent(settings);
    if (!status.ok()) return status;
    pump_ = EventPump::Create(env_, on_event);
    if (pump_ == nullptr) return Status(Code::kInternal, "no event function");
    io_.reset(new IoThread(settings.io, [pump = pump_](Event event) {
      pump->Push(std::move(event));
    }));
    auto transport = factory_(io_.get(), settings.transport, &status);
    if (status.ok() && transport == nullptr) {
      status = Status(Code::kInternal, "no transport");
    }
    if (status.ok()) {
      identity_ = transport->identity();
      status = io_->Start(fd, std::move(transport));
    }
    if (!status.ok()) {
      transport.reset();  // it may refer to the thread object
      Stop();
      return status;
    }
    // Added after the threadsafe function, so it runs before that goes.
    napi_add_env_cleanup_hook(env_, &OnCleanup, this);
    return Status();
  }

  void Stop() {
    if (!running()) return;
    napi_remove_env_cleanup_hook(env_, &OnCleanup, this);
    End();
  }

  // Null without native security, or while nothing runs.
  Identity* identity() const { return identity_.get(); }

  // Answers by itself where the thread cannot any more.
  void Post(uint32_t request, IoThread::Command command) {
    if (!io_->Post(std::move(command))) {
      Refuse(request, Status(Code::kUnavailable, "the service has stopped"));
    }
  }

  void Refuse(uint32_t request, Status status) {
    Event event;
    event.kind = Event::Kind::kReply;
    event.request = request;
    event.status = std::move(status);
    if (request != 0) pump_->Push(std::move(event));
  }

 private:
  static void OnCleanup(void* self) { static_cast<Addon*>(self)->End(); }

  void End() {
    if (!running()) return;
    io_.reset();  // joins: nobody pushes any more
    identity_.reset();
    pump_->Release();
    pump_ = nullptr;
    engine_in_use = false;
  }

  napi_env const env_;
  const TransportFactory factory_;
  EventPump* pump_ = nullptr;
  std::unique_ptr<IoThread> io_;
  std::shared_ptr<Identity> identity_;
};

void NapiThrowType(napi_env env, const std::string& message) {
  bool pending = true;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) return;
  napi_throw_type_error(env, kInvalidArgument, message.c_str());
}

bool IsType(napi_env env, napi_value value, napi_valuetype wanted) {
  napi_valuetype type;
  return value != nullptr && napi_typeof(env, value, &type) == napi_ok &&
         type == wanted;
}

// All own enumerable properties, which must be numbers.
bool ReadSettings(napi_env env, napi_value object, TransportSettings* out) {
  napi_value names;
  uint32_t count = 0;
  if (!IsType(env, object, napi_object) ||
      napi_get_property_names(env, object, &names) != napi_ok ||
      napi_get_array_length(env, names, &count) != napi_ok ||
      count > kMaxSettings) {
    NapiThrowType(env, "settings must be an object");
    return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    HandleScope scope(env);
    napi_value name, value;
    char text[kMaxSettingNameBytes];
    size_t length;
    double number;
    if (napi_get_element(env, names, i, &name) != napi_ok ||
        napi_get_value_string_utf8(env, name, text, sizeof text, &length) !=
            napi_ok ||
        napi_get_property(env, object, name, &value) != napi_ok ||
        napi_get_value_double(env, value, &number) != napi_ok) {
      NapiThrowType(env, "settings must be numbers");
      return false;
    }
    out->emplace_back(std::string(text, length), number);
  }
  return true;
}

// --- the exported functions

napi_value JsStart(napi_env env, napi_callback_info info) {
  NapiArguments arguments(env, info, 2);
  if (!arguments.ok()) return nullptr;
  auto* addon = static_cast<Addon*>(arguments.data());
  napi_value fd_value, settings_value;
  int32_t fd = -1;
  double fd_number = -1;
  if (!IsType(env, arguments[0], napi_object) ||
      napi_get_named_property(env, arguments[0], "dataFd", &fd_value) !=
          napi_ok ||
      napi_get_named_property(env, arguments[0], "settings", &settings_value) !=
          napi_ok ||
      napi_get_value_double(env, fd_value, &fd_number) != napi_ok ||
      !(fd_number >= 0 && fd_number <= 0x7fffffff) ||
      napi_get_value_int32(env, fd_value, &fd) != napi_ok || fd != fd_number) {
    NapiThrowType(env, "options must be { dataFd: descriptor, settings: {} }");
    return nullptr;
  }
  if (!IsType(env, arguments[1], napi_function)) {
    NapiThrowType(env, "onEvent must be a function");
    return nullptr;
  }
  TransportSettings given;
  if (!ReadSettings(env, settings_value, &given)) return nullptr;
  Settings settings;
  Status status = ParseSettings(given, &settings);
  if (!status.ok()) {
    NapiThrow(env, kInvalidArgument, status.message());
    return nullptr;
  }
  if (engine_in_use.exchange(true)) {
    NapiThrow(env, kEngineInUse, "an engine runs in this process already");
    return nullptr;
  }
  status = addon->Start(fd, settings, arguments[1]);
  if (!status.ok()) {
    engine_in_use = false;
    NapiThrow(env,
              status.code() == Code::kInvalidArgument ? kInvalidArgument
                                                      : kStartFailed,
              status.message());
  }
  return nullptr;
}

napi_value JsStop(napi_env env, napi_callback_info info) {
  NapiArguments arguments(env, info, 0);
  if (arguments.ok()) static_cast<Addon*>(arguments.data())->Stop();
  return nullptr;
}

// The addon of a call that needs a running engine.
Addon* Running(napi_env env, const NapiArguments& arguments) {
  if (!arguments.ok()) return nullptr;
  auto* addon = static_cast<Addon*>(arguments.data());
  if (addon->running()) return addon;
  NapiThrow(env, kNotStarted, "start() has not been called, or stop() has");
  return nullptr;
}

napi_value JsLockdown(napi_env env, napi_callback_info info) {
  NapiArguments arguments(env, info, 1);
  if (!arguments.ok()) return nullptr;
  LockdownOptions options;
  napi_value strict, lock_fd, result, abi;
  if (!IsType(env, arguments[0], napi_object) ||
      napi_get_named_property(env, arguments[0], "strict", &strict) !=
          napi_ok ||
      napi_get_named_property(env, arguments[0], "lockFd", &lock_fd) !=
          napi_ok ||
      napi_get_value_bool(env, strict, &options.strict) != napi_ok ||
      napi_get_value_int32(env, lock_fd, &options.lock_fd) != napi_ok) {
    NapiThrowType(env, "options must be { strict: boolean, lockFd: number }");
    return nullptr;
  }
  LockdownReport report;
  const Status status = Lockdown(options, &report);
  if (!status.ok()) {
    NapiThrow(env, kLockdownFailed, status.message());
    return nullptr;
  }
  if (napi_create_object(env, &result) != napi_ok ||
      napi_create_int32(env, report.landlock_abi, &abi) != napi_ok ||
      napi_set_named_property(env, result, "landlockAbi", abi) != napi_ok) {
    return nullptr;
  }
  return result;
}

napi_value JsIoAgeMs(napi_env env, napi_callback_info info) {
  NapiArguments arguments(env, info, 0);
  if (!arguments.ok()) return nullptr;
  const uint64_t age = static_cast<Addon*>(arguments.data())->IoAgeMs();
  napi_value result;
  if (napi_create_double(env, static_cast<double>(age), &result) != napi_ok) {
    return nullptr;
  }
  return result;
}

ControlledTransport& Controlled(Transport& transport) {
  return static_cast<ControlledTransport&>(transport);  // factory_ made it
}

napi_value JsListen(napi_env env, napi_callback_info info) {
  NapiArguments arguments(env, info, 5);
  Addon* addon = Running(env, arguments);
  uint32_t request, listener, accept;
  uint16_t port;
  std::string ip;
  if (addon == nullptr || !arguments.Uint32(0, "request", &request) ||
      !arguments.Uint32(1, "listener", &listener) ||
      !arguments.String(2, "ip", kMaxIpBytes, &ip) ||
      !arguments.Port(3, "port", &port) ||
      !arguments.Uint32(4, "accept", &accept)) {
    return nullptr;
  }
  Endpoint local;
  Status status = Endpoint::Parse(ip, port, &local);
  if (!status.ok()) {
    addon->Refuse(request, std::move(status));
    return nullptr;
  }
  addon->Post(request, [=](Transport& transport, uint64_t now_us) {
    Controlled(transport).Listen(request, listener, local, accept, now_us);
  });
  return nullptr;
}

napi_value JsUnlisten(napi_env env, napi_callback_info info) {
  NapiArguments arguments(env, info, 2);
  Addon* addon = Running(env, arguments);
  uint32_t request, listener;
  if (addon == nullptr || !arguments.Uint32(0, "request", &request) ||
      !arguments.Uint32(1, "listener", &listener)) {
    return nullptr;
  }
  addon->Post(request, [=](Transport& transport, uint64_t now_us) {
    Controlled(transport).Unlisten(request, listener, now_us);
  });
  return nullptr;
}

napi_value JsAccept(napi_env env, napi_callback_info info) {
  NapiArguments arguments(env, info, 2);
  Addon* addon = Running(env, arguments);
  uint32_t listener, count;
  if (addon == nullptr || !arguments.Uint32(0, "listener", &listener) ||
      !arguments.Uint32(1, "count", &count)) {
    return nullptr;
  }
  addon->Post(0, [=](Transport& transport, uint64_t now_us) {
    Controlled(transport).Accept(listener, count, now_us);
  });
  return nullptr;
}

napi_value JsDial(napi_env env, napi_callback_info info) {
  NapiArguments arguments(env, info, 5);
  Addon* addon = Running(env, arguments);
  uint32_t request, connection, timeout_ms;
  uint16_t port;
  std::string ip;
  if (addon == nullptr || !arguments.Uint32(0, "request", &request) ||
      !arguments.Uint32(1, "connection", &connection) ||
      !arguments.String(2, "ip", kMaxIpBytes, &ip) ||
      !arguments.Port(3, "port", &port) ||
      !arguments.Uint32(4, "timeoutMs", &timeout_ms)) {
    return nullptr;
  }
  Endpoint to;
  Status status = Endpoint::Parse(ip, port, &to);
  if (!status.ok()) {
    addon->Refuse(request, std::move(status));
    return nullptr;
  }
  addon->Post(request, [=](Transport& transport, uint64_t now_us) {
    Controlled(transport).Dial(request, connection, to, timeout_ms, now_us);
  });
  return nullptr;
}

napi_value JsClose(napi_env env, napi_callback_info info) {
  NapiArguments arguments(env, info, 4);
  Addon* addon = Running(env, arguments);
  uint32_t request, connection, code;
  bool abort;
  if (addon == nullptr || !arguments.Uint32(0, "request", &request) ||
      !arguments.Uint32(1, "connection", &connection) ||
      !arguments.Bool(2, "abort", &abort) ||
      !arguments.Uint32(3, "code", &code)) {
    return nullptr;
  }
  addon->Post(request, [=](Transport& transport, uint64_t now_us) {
    Controlled(transport).Close(request, connection, abort, code, now_us);
  });
  return nullptr;
}

napi_value JsStats(napi_env env, napi_callback_info info) {
  NapiArguments arguments(env, info, 2);
  Addon* addon = Running(env, arguments);
  uint32_t request, connection;
  if (addon == nullptr || !arguments.Uint32(0, "request", &request) ||
      !arguments.Uint32(1, "connection", &connection)) {
    return nullptr;
  }
  addon->Post(request, [=](Transport& transport, uint64_t now_us) {
    Controlled(transport).Stats(request, connection, now_us);
  });
  return nullptr;
}

}  // namespace

// --- for transports with native security

namespace {

constexpr size_t kMaxPublicKeyBytes = 4096;
constexpr size_t kMaxSignatureBytes = 4096;
constexpr char kIdentityFailed[] = "ERR_XTP_IDENTITY_FAILED";

Identity* RunningIdentity(napi_env env, const NapiArguments& arguments) {
  Addon* addon = Running(env, arguments);
  return addon != nullptr ? addon->identity() : nullptr;
}

napi_value JsGenerateKey(napi_env env, napi_callback_info info) {
  NapiArguments arguments(env, info, 0);
  Identity* identity = RunningIdentity(env, arguments);
  if (identity == nullptr) return nullptr;
  std::string spki;
  const Status status = identity->GenerateKey(&spki);
  if (!status.ok()) {
    NapiThrow(env, kIdentityFailed, status.message());
    return nullptr;
  }
  return NapiBytes(env, spki);
}

napi_value JsSetCertificate(napi_env env, napi_callback_info info) {
  NapiArguments arguments(env, info, 2);
  Identity* identity = RunningIdentity(env, arguments);
  std::string public_key, signature;
  if (identity == nullptr ||
      !arguments.Bytes(0, "publicKey", kMaxPublicKeyBytes, &public_key) ||
      !arguments.Bytes(1, "signature", kMaxSignatureBytes, &signature)) {
    return nullptr;
  }
  const Status status = identity->SetCertificate(public_key, signature);
  if (!status.ok()) NapiThrow(env, kIdentityFailed, status.message());
  return nullptr;
}

}  // namespace

// --- NapiArguments

NapiArguments::NapiArguments(napi_env env, napi_callback_info info,
                             size_t expected)
    : env_(env) {
  size_t count = kMax;
  if (napi_get_cb_info(env, info, &count, values_, nullptr, &data_) !=
          napi_ok ||
      data_ == nullptr) {
    NapiThrowType(env, "call failed");
  } else if (count < expected) {
    NapiThrowType(env, std::to_string(expected) + " arguments are needed");
  } else {
    ok_ = true;
  }
}

bool NapiArguments::Uint32(size_t index, const char* name,
                           uint32_t* out) const {
  double number;
  if (!ok_ || index >= kMax ||
      napi_get_value_double(env_, values_[index], &number) != napi_ok ||
      !(number >= 0 && number <= UINT32_MAX) || std::floor(number) != number) {
    NapiThrowType(env_, std::string(name) + " must be an integer 0..2^32-1");
    return false;
  }
  *out = static_cast<uint32_t>(number);
  return true;
}

bool NapiArguments::Port(size_t index, const char* name, uint16_t* out) const {
  uint32_t number;
  if (!Uint32(index, name, &number)) return false;
  if (number > UINT16_MAX) {
    NapiThrowType(env_, std::string(name) + " must be at most 65535");
    return false;
  }
  *out = static_cast<uint16_t>(number);
  return true;
}

bool NapiArguments::Bool(size_t index, const char* name, bool* out) const {
  if (!ok_ || index >= kMax ||
      napi_get_value_bool(env_, values_[index], out) != napi_ok) {
    NapiThrowType(env_, std::string(name) + " must be a boolean");
    return false;
  }
  return true;
}

bool NapiArguments::String(size_t index, const char* name, size_t max_bytes,
                           std::string* out) const {
  size_t length = 0;
  if (!ok_ || index >= kMax ||
      napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &length) !=
          napi_ok ||
      length > max_bytes) {
    NapiThrowType(env_, std::string(name) + " must be a string of at most " +
                            std::to_string(max_bytes) + " bytes");
    return false;
  }
  std::vector<char> text(length + 1);
  if (napi_get_value_string_utf8(env_, values_[index], text.data(), text.size(),
                                 &length) != napi_ok) {
    NapiThrowType(env_, std::string(name) + " is not readable");
    return false;
  }
  out->assign(text.data(), length);
  return true;
}

bool NapiArguments::Bytes(size_t index, const char* name, size_t max_bytes,
                          std::string* out) const {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (!ok_ || index >= kMax ||
      napi_get_typedarray_info(env_, values_[index], &type, &length, &data,
                               nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array || length > max_bytes) {
    NapiThrowType(env_, std::string(name) +
                            " must be a Uint8Array of at most " +
                            std::to_string(max_bytes) + " bytes");
    return false;
  }
  out->assign(static_cast<const char*>(data), length);
  return true;
}

// --- helpers for other addons

void NapiThrow(napi_env env, const char* code, const std::string& message) {
  bool pending = true;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) return;
  napi_throw_error(env, code, message.c_str());
}

napi_value RegisterTransport(napi_env env, napi_value exports,
                             TransportFactory factory, const char* version,
                             bool native_security) {
  auto* addon = new Addon(env, factory);
  const auto finalize = [](napi_env, void* data, void*) {
    delete static_cast<Addon*>(data);
  };
  if (napi_set_instance_data(env, addon, finalize, nullptr) != napi_ok) {
    delete addon;
    return nullptr;
  }
  struct Function {
    const char* name;
    napi_callback function;
  };
  std::vector<Function> functions = {
      {"start", JsStart},     {"stop", JsStop},   {"listen", JsListen},
      {"accept", JsAccept},   {"dial", JsDial},   {"unlisten", JsUnlisten},
      {"close", JsClose},     {"stats", JsStats}, {"lockdown", JsLockdown},
      {"ioAgeMs", JsIoAgeMs},
  };
  if (native_security) {
    functions.push_back({"generateKey", JsGenerateKey});
    functions.push_back({"setCertificate", JsSetCertificate});
  }
  for (const auto& entry : functions) {
    napi_value function;
    if (napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function,
                             addon, &function) != napi_ok ||
        napi_set_named_property(env, exports, entry.name, function) !=
            napi_ok) {
      return nullptr;
    }
  }
  napi_value text;
  if (napi_create_string_utf8(env, version, NAPI_AUTO_LENGTH, &text) !=
          napi_ok ||
      napi_set_named_property(env, exports, "version", text) != napi_ok) {
    return nullptr;
  }
  return exports;
}

}  // namespace xtp
