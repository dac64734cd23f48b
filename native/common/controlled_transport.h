// A transport that JavaScript can drive: what AddonInstance (napi_support.h)
// posts to the I/O thread. Every call runs there, and never blocks.
#ifndef XTP_COMMON_CONTROLLED_TRANSPORT_H_
#define XTP_COMMON_CONTROLLED_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/endpoint.h"
#include "common/status.h"
#include "common/transport.h"

namespace xtp {

// The key of a transport with native security. Every call is for one thread,
// that of JavaScript, while the transport runs on another.
class Identity {
 public:
  virtual ~Identity() = default;
  // Makes the key pair, once; `*spki` is its public half, a
  // SubjectPublicKeyInfo in DER.
  virtual Status GenerateKey(std::string* spki) = 0;
  // What the host says of that key: its own public key (a libp2p protobuf)
  // and a signature.
  virtual Status SetCertificate(const std::string& public_key,
                                const std::string& signature) = 0;
};

class ControlledTransport : public Transport {
 public:
  // Null without native security. Outlives the transport where it is held.
  virtual std::shared_ptr<Identity> identity() { return nullptr; }

  // Each `request` is answered with exactly one Event through Host::Emit:
  // kReply for all of them, save kConnected for a dial that succeeded and
  // kStats for Stats. A refused request (unknown id, id in use) is a kReply
  // with a failed status, never a crash: ids come from the parent.

  // Binds `local` (port 0 lets the system choose; the kReply's `local` tells).
  // `accept` is the listener's first credit for inbound connections.
  virtual void Listen(uint32_t request, uint32_t listener,
                      const Endpoint& local, uint32_t accept,
                      uint64_t now_us) = 0;
  // Stops accepting. Connections that were accepted live on.
  virtual void Unlisten(uint32_t request, uint32_t listener,
                        uint64_t now_us) = 0;
  // Adds `count` inbound connections to the credit. Unknown ids are ignored:
  // the grant may have crossed an Unlisten.
  virtual void Accept(uint32_t listener, uint32_t count, uint64_t now_us) = 0;
  virtual void Dial(uint32_t request, uint32_t connection, const Endpoint& to,
                    uint32_t timeout_ms, uint64_t now_us) = 0;
  // Ends a connection, or a dial that has not finished: then the dial's
  // request is answered with kCancelled, and this one with kOk.
  virtual void Close(uint32_t request, uint32_t connection, bool abort,
                     uint32_t code, uint64_t now_us) = 0;
  // `connection` 0 asks for the whole service.
  virtual void Stats(uint32_t request, uint32_t connection,
                     uint64_t now_us) = 0;
};

// Settings that common does not know, by name, as JavaScript gave them.
using TransportSettings = std::vector<std::pair<std::string, double>>;

// Runs on the thread that calls start(), before the I/O thread exists: it may
// keep `host`, but call nothing of it. Rejects unknown names and bad values
// with kInvalidArgument in `status` and returns null then.
using TransportFactory = std::unique_ptr<ControlledTransport> (*)(
    Host* host, const TransportSettings& settings, Status* status);

}  // namespace xtp

#endif  // XTP_COMMON_CONTROLLED_TRANSPORT_H_
