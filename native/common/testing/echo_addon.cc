// An addon around a transport that answers every command by telling what it
// was told, for napi_support_test.mjs.
#include <cerrno>
#include <memory>
#include <string>

#include "common/napi_support.h"

namespace xtp {
namespace {

class TellingTransport : public ControlledTransport {
 public:
  explicit TellingTransport(Host* host) : host_(host) {}

  void Listen(uint32_t request, uint32_t listener, const Endpoint& local,
              uint32_t accept, uint64_t) override {
    SocketId socket = 0;
    Event event;
    event.kind = Event::Kind::kReply;
    event.request = request;
    event.listener = listener;
    event.status = host_->Bind(local, &socket);
    event.local = host_->LocalEndpoint(socket);
    event.text = "accept " + std::to_string(accept);
    host_->Emit(event);
  }
  void Unlisten(uint32_t request, uint32_t listener, uint64_t) override {
    Reply(request, "unlisten " + std::to_string(listener));
  }
  void Accept(uint32_t listener, uint32_t count, uint64_t) override {
    Event event;
    event.level = 2;
    event.text =
        "accept " + std::to_string(listener) + " " + std::to_string(count);
    host_->Emit(event);
  }
  void Dial(uint32_t request, uint32_t connection, const Endpoint& to,
            uint32_t timeout_ms, uint64_t) override {
    Event event;
    event.kind = Event::Kind::kConnected;
    event.request = request;
    event.connection = connection;
    event.remote = to;
    event.bytes_in = (1ull << 40) + timeout_ms;
    event.bytes_out = 7;
    host_->Emit(event);
  }
  void Close(uint32_t request, uint32_t connection, bool abort, uint32_t code,
             uint64_t) override {
    Reply(request, "close " + std::to_string(connection) +
                       (abort ? " abort " : " orderly ") +
                       std::to_string(code));
  }
  void Stats(uint32_t request, uint32_t connection, uint64_t) override {
    Event event;
    event.kind = Event::Kind::kStats;
    event.request = request;
    event.connection = connection;
    event.text = "own 1\n";
    host_->Emit(event);
  }

  void OnDatagram(SocketId, const uint8_t*, size_t, const Endpoint&,
                  uint64_t) override {}
  void OnIcmpError(SocketId, const uint8_t*, size_t, const Endpoint&, int,
                   uint32_t, uint64_t) override {}
  bool OnStreamOpen(Stream*, uint32_t, uint32_t, uint64_t) override {
    return false;
  }
  uint64_t OnRound(uint64_t now_us) override { return now_us + 1000000; }
  void OnStop(uint64_t) override {
    Event event;
    event.kind = Event::Kind::kClosed;
    event.status = Status::FromErrno(ECANCELED, "stopped");
    host_->Emit(event);
  }

 private:
  void Reply(uint32_t request, const std::string& text) {
    Event event;
    event.kind = Event::Kind::kReply;
    event.request = request;
    event.text = text;
    host_->Emit(event);
  }

  Host* const host_;
};

std::unique_ptr<ControlledTransport> Create(Host* host,
                                            const TransportSettings& settings,
                                            Status* status) {
  for (const auto& setting : settings) {
    if (setting.first == "known") continue;
    *status =
        Status(Code::kInvalidArgument, "unknown setting " + setting.first);
    return nullptr;
  }
  return std::unique_ptr<ControlledTransport>(new TellingTransport(host));
}

}  // namespace
}  // namespace xtp

static napi_value Init(napi_env env, napi_value exports) {
  return xtp::RegisterTransport(env, exports, &xtp::Create, "echo 1.2.3");
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
