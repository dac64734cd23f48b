// The UDP sockets that a service is lent by its launcher, where it may make
// none itself (spec/xtp-service.md, section Lent sockets). I/O thread only.
#ifndef XTP_COMMON_LENT_SOCKETS_H_
#define XTP_COMMON_LENT_SOCKETS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "common/endpoint.h"
#include "common/status.h"

namespace xtp {

class LentSockets {
 public:
  static constexpr size_t kMax = 64;
  static constexpr size_t kMaxIdBytes = 23;

  // Takes `fd`, a SOCK_SEQPACKET on which each message is one socket
  // (SCM_RIGHTS) and its id. -1: there is none, and Take always fails.
  explicit LentSockets(int fd) : fd_(fd) {}
  ~LentSockets();
  LentSockets(const LentSockets&) = delete;
  LentSockets& operator=(const LentSockets&) = delete;

  // A socket for `local`: with port 0 the one for dialling in that family,
  // which stays here and is given as a copy; otherwise the one that is bound
  // to exactly `local`, which is given away. kUnavailable if there is none,
  // kResourceExhausted if it may have got lost: too many open files.
  Status Take(const Endpoint& local, int* out);

  size_t size() const { return sockets_.size(); }
  // Messages that were none: no socket, two, no id, too many.
  size_t refused() const { return refused_; }

 private:
  struct Lent {
    std::string id;
    int fd;
    Endpoint local;
  };

  void Receive();
  bool ReceiveOne();
  void Add(const std::string& id, int fd);

  int fd_;
  std::vector<Lent> sockets_;
  size_t refused_ = 0;
  // The last one got lost on its way: too many open files.
  bool cut_off_ = false;
};

}  // namespace xtp

#endif  // XTP_COMMON_LENT_SOCKETS_H_
