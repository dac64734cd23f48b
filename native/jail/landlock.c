// Landlock: a service reads and executes the --ro paths, and that is all it
// can do with files, as far as the kernel's ABI goes. Where the kernel has no
// Landlock nothing is done: the level does not promise it (spec, Levels).
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail.h"

// The kernel's interface, from linux/landlock.h, which may be older than the
// kernel. The numbers are the same on every architecture.
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
enum {
  ASK_VERSION = 1,
  RULE_PATH_BENEATH = 1,
  FS_EXECUTE = 1 << 0,
  FS_READ_FILE = 1 << 2,
  FS_READ_DIR = 1 << 3,
  FS_ALL_ABI1 = (1 << 13) - 1,
  FS_REFER = 1 << 13,      // ABI 2
  FS_TRUNCATE = 1 << 14,   // ABI 3
  NET_BIND_CONNECT = 3,    // ABI 4: TCP
  FS_IOCTL_DEV = 1 << 15,  // ABI 5
  SCOPE_ALL = 3,           // ABI 6: abstract unix sockets and signals
};
struct ruleset {
  uint64_t fs, net, scope;
};
struct path_beneath {
  uint64_t allowed;
  int32_t parent;
} __attribute__((packed));

int landlock_abi(void) {
  const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
  return abi < 0 ? 0 : (int)abi;
}

static int create(int abi) {
  struct ruleset ruleset = {FS_ALL_ABI1, 0, 0};
  size_t size = sizeof ruleset.fs;
  if (abi >= 2) ruleset.fs |= FS_REFER;
  if (abi >= 3) ruleset.fs |= FS_TRUNCATE;
  if (abi >= 4) {
    ruleset.net = NET_BIND_CONNECT;
    size += sizeof ruleset.net;
  }
  if (abi >= 5) ruleset.fs |= FS_IOCTL_DEV;
  if (abi >= 6) {
    ruleset.scope = SCOPE_ALL;
    size += sizeof ruleset.scope;
  }
  return (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
}

static void allow(int ruleset, const char *path) {
  const int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) return;  // not there, or not for this user: not allowed either
  struct stat about;
  if (fstat(fd, &about) != 0) stage1_fail("landlock_stat");
  const struct path_beneath rule = {
      FS_EXECUTE | FS_READ_FILE | (S_ISDIR(about.st_mode) ? FS_READ_DIR : 0),
      fd};
  if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) !=
      0) {
    stage1_fail("landlock_add_rule");
  }
  close(fd);
}

void landlock_restrict(const struct options *options) {
  const int abi = landlock_abi();
  if (abi == 0) return;
  const int ruleset = create(abi);
  if (ruleset < 0) stage1_fail("landlock_create_ruleset");
  for (int i = 0; i < options->ro_count; i++) allow(ruleset, options->ro[i]);
  if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
    stage1_fail("landlock_restrict_self");
  }
  close(ruleset);
}
