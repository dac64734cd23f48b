// The JavaScript face of the attacks (attacks.h).
#include <netinet/in.h>
#include <node_api.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "attacks/attacks.h"

namespace xtp::attacks {
namespace {

const std::vector<Attack>& Attacks() {
  static const std::vector<Attack> all = [] {
    std::vector<Attack> result;
    AddFiles(&result);
    AddProcesses(&result);
    AddSockets(&result);
    AddKernel(&result);
    return result;
  }();
  return all;
}

std::string Text(napi_env env, napi_value value) {
  char text[512] = "";
  size_t length = 0;
  napi_get_value_string_utf8(env, value, text, sizeof text, &length);
  return std::string(text, length);
}

std::string Text(napi_env env, napi_value object, const char* name) {
  napi_value value = nullptr;
  napi_get_named_property(env, object, name, &value);
  return Text(env, value);
}

int Number(napi_env env, napi_value object, const char* name) {
  napi_value value = nullptr;
  int32_t number = 0;
  napi_get_named_property(env, object, name, &value);
  napi_get_value_int32(env, value, &number);
  return number;
}

napi_value Result(napi_env env, const Outcome& outcome) {
  napi_value result, possible, detail;
  napi_create_object(env, &result);
  napi_get_boolean(env, outcome.possible, &possible);
  napi_create_string_utf8(env, outcome.detail.c_str(), NAPI_AUTO_LENGTH,
                          &detail);
  napi_set_named_property(env, result, "possible", possible);
  napi_set_named_property(env, result, "detail", detail);
  return result;
}

template <typename List>
napi_value Names(napi_env env, const List& list) {
  napi_value result, name;
  napi_create_array(env, &result);
  uint32_t index = 0;
  for (const auto& entry : list) {
    napi_create_string_utf8(env, entry.name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, result, index++, name);
  }
  return result;
}

napi_value JsNames(napi_env env, napi_callback_info) {
  return Names(env, Attacks());
}

napi_value JsPoisons(napi_env env, napi_callback_info) {
  return Names(env, Poisons());
}

void Arguments(napi_env env, napi_callback_info info, napi_value out[2]) {
  size_t count = 2;
  napi_get_cb_info(env, info, &count, out, nullptr, nullptr);
}

napi_value JsAttack(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  Arguments(env, info, arguments);
  Context context;
  context.parent = Number(env, arguments[1], "parent");
  context.package_file = Text(env, arguments[1], "packageFile");
  context.writable = Text(env, arguments[1], "writable");
  context.unix_path = Text(env, arguments[1], "unixPath");
  context.abstract_name = Text(env, arguments[1], "abstractName");
  context.tcp_port = Number(env, arguments[1], "tcpPort");
  context.udp_port = Number(env, arguments[1], "udpPort");
  context.lent = Number(env, arguments[1], "lent");
  const std::string name = Text(env, arguments[0]);
  for (const Attack& attack : Attacks()) {
    if (name == attack.name) return Result(env, attack.run(context));
  }
  napi_throw_error(env, nullptr, "no such attack");
  return nullptr;
}

napi_value JsPoison(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  Arguments(env, info, arguments);
  int32_t fd = -1;
  napi_get_value_int32(env, arguments[0], &fd);
  const std::string name = Text(env, arguments[1]);
  for (const Poison& poison : Poisons()) {
    if (name == poison.name) return Result(env, poison.run(fd));
  }
  napi_throw_error(env, nullptr, "no such poison");
  return nullptr;
}

napi_value JsLentSocket(napi_env env, napi_callback_info) {
  int found = -1;
  for (int fd = 3; fd < 1024 && found < 0; fd++) {
    int type = 0;
    socklen_t length = sizeof type;
    sockaddr_storage name = {};
    socklen_t size = sizeof name;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
        type == SOCK_DGRAM &&
        getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0 &&
        (name.ss_family == AF_INET || name.ss_family == AF_INET6)) {
      found = fd;
    }
  }
  napi_value result;
  napi_create_int32(env, found, &result);
  return result;
}

// Ends with 1 if no process could be started, and with 2 if one could. They end
// by themselves.
[[noreturn]] void ForkBomb() {
  int started = 0;
  for (int i = 0; i < 300; i++) {
    const pid_t pid = fork();
    if (pid == 0) {
      usleep(500 * 1000);
      _exit(0);
    }
    started += pid > 0;
  }
  _exit(started == 0 ? 1 : 2);
}

// Threads that stay, idle or not; as many as there may be.
void Threads(int wanted, bool busy) {
  void* (*idle)(void*) = [](void*) -> void* {
    for (;;) pause();
  };
  void* (*burn)(void*) = [](void*) -> void* {
    for (volatile bool on = true; on;) {
    }
    return nullptr;
  };
  pthread_t thread;
  for (int i = 0; i < wanted; i++) {
    if (pthread_create(&thread, nullptr, busy ? burn : idle, nullptr) != 0)
      return;
  }
}

napi_value JsBomb(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  Arguments(env, info, arguments);
  const std::string kind = Text(env, arguments[0]);
  if (kind == "memory") {
    for (;;) {
      void* block = malloc(16 << 20);
      if (block == nullptr) abort();
      memset(block, 1, 16 << 20);
    }
  }
  if (kind == "fork") ForkBomb();
  if (kind == "descriptors") {
    while (dup(2) >= 0) {
    }
  }
  if (kind == "spin") {
    for (volatile bool on = true; on;) {
    }
  }
  if (kind == "threads" || kind == "burn")
    Threads(kind == "burn" ? 1 : 300, kind == "burn");
  if (kind == "segv") raise(SIGSEGV);
  if (kind == "abort") abort();
  return nullptr;
}

}  // namespace

napi_value Init(napi_env env, napi_value exports) {
  const struct {
    const char* name;
    napi_callback function;
  } kFunctions[] = {{"names", JsNames},           {"attack", JsAttack},
                    {"poisons", JsPoisons},       {"poison", JsPoison},
                    {"lentSocket", JsLentSocket}, {"bomb", JsBomb}};
  for (const auto& entry : kFunctions) {
    napi_value function;
    napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function,
                         nullptr, &function);
    napi_set_named_property(env, exports, entry.name, function);
  }
  return exports;
}

}  // namespace xtp::attacks

NAPI_MODULE_INIT() { return xtp::attacks::Init(env, exports); }
