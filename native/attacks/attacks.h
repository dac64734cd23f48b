// What native code tries that has taken over a service. Each attempt says
// whether it worked; none does lasting harm, also where it works.
//
// JavaScript: names(): string[]; attack(name, context): { possible, detail };
// poisons(): string[]; poison(fd, kind): { possible, detail };
// bomb(kind): 'memory' | 'fork' | 'descriptors' | 'spin' | 'segv' | 'abort' |
// 'threads' | 'burn';
// lentSocket(): number, the first UDP socket of this process, or -1.
#ifndef XTP_ATTACKS_ATTACKS_H_
#define XTP_ATTACKS_ATTACKS_H_

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

namespace xtp::attacks {

struct Context {
  int parent = 0;            // pid of the application
  std::string package_file;  // a file of the service's own package
  std::string writable;      // a folder that everybody may write
  std::string unix_path;     // somebody listens there
  std::string abstract_name;
  int tcp_port = 0;  // on loopback; somebody listens
  int udp_port = 0;  // on loopback; somebody reads
  int lent = -1;     // a kept UDP socket
};

struct Outcome {
  bool possible;
  std::string detail;
};

inline Outcome Done(const std::string& what = "done") { return {true, what}; }
inline Outcome Failed() { return {false, strerrorname_np(errno)}; }
// Of a call that gives -1 and errno.
inline Outcome Tried(long result) { return result < 0 ? Failed() : Done(); }
// Of a call whose arguments are wrong on purpose: whoever may make it is told
// so, and whoever may not gets another errno.
inline Outcome Permitted(long result, int wrong) {
  if (result >= 0 || errno == wrong) return Done("permitted");
  return Failed();
}

struct Attack {
  const char* name;
  Outcome (*run)(const Context& context);
};

void AddFiles(std::vector<Attack>* all);
void AddProcesses(std::vector<Attack>* all);
void AddSockets(std::vector<Attack>* all);
void AddKernel(std::vector<Attack>* all);

struct Poison {
  const char* name;
  Outcome (*run)(int fd);
};
std::vector<Poison> Poisons();

}  // namespace xtp::attacks

#endif  // XTP_ATTACKS_ATTACKS_H_
