// Landlock: a service reads and executes the --ro paths, and that is all it
// can do with files, as far as the kernel's ABI goes. Where the kernel has no
// Landlock nothing is done: the level does not promise it (spec, Levels).
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "jail.h"

// The kernel's interface, from linux/landlock.h, which may be older than the
// kernel. The numbers are the same on every architecture.
enum {
  CREATE_RULESET = 444,
  ADD_RULE,
  RESTRICT_SELF,
  ASK_VERSION = 1,
  RULE_PATH_BENEATH = 1,
  FS_EXECUTE = 1 << 0,
  FS_READ_FILE = 1 << 2,
  FS_READ_DIR = 1 << 3,
  NET_BIND_CONNECT = 3,  // TCP
  SCOPE_ALL = 3,         // abstract unix sockets and signals
};
struct ruleset {
  uint64_t fs, net, scope;
};
struct path_beneath {
  uint64_t allowed;
  int32_t parent;
} __attribute__((packed));

int landlock_abi(void) {
  const long abi = syscall(CREATE_RULESET, NULL, 0, ASK_VERSION);
  return abi < 0 ? 0 : (int)abi;
}

static void allow(int ruleset, const char *path) {
  const int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) return;  // not there, or not for this user: not allowed either
  struct stat about;
  must(fstat(fd, &about) == 0, "landlock_stat");
  const struct path_beneath rule = {
      FS_EXECUTE | FS_READ_FILE | (S_ISDIR(about.st_mode) ? FS_READ_DIR : 0),
      fd};
  must(syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) == 0,
       "landlock_add_rule");
  close(fd);
}

void landlock_restrict(void) {
  // Of an ABI: all accesses to files, which are so many bits; and how much of
  // the struct it knows.
  static const int kFsBits[] = {0, 13, 14, 15, 15, 16};
  const int abi = landlock_abi();
  if (abi == 0) return;
  const struct ruleset all = {(1u << kFsBits[abi < 5 ? abi : 5]) - 1,
                              NET_BIND_CONNECT, SCOPE_ALL};
  const size_t size = abi < 4 ? 8 : abi < 6 ? 16 : 24;
  const int ruleset = (int)syscall(CREATE_RULESET, &all, size, 0);
  must(ruleset >= 0, "landlock_create_ruleset");
  for (int i = 0; i < options.ro_count; i++) allow(ruleset, options.ro[i]);
  must(syscall(RESTRICT_SELF, ruleset, 0) == 0, "landlock_restrict_self");
  close(ruleset);
}
