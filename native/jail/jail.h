// What the parts of xtp-jail share: limits, options, events, the shape of a
// launch. The contract is spec/xtp-jail.md.
#ifndef XTP_JAIL_JAIL_H_
#define XTP_JAIL_JAIL_H_

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  PROTOCOL_VERSION = 1,
  MAX_SOCKETS = 64,
  MAX_PENDING = 8,       // connections that wait for their tag
  MAX_INCARNATIONS = 8,  // alive, waiting for links, or being probed
  MAX_RO_PATHS = 64,
};

// The descriptors of a service (spec, section Links), and behind them those
// that only stage 1 uses: they are close-on-exec.
enum {
  FD_LOG = 2,
  FD_CONTROL,
  FD_DATA,
  FD_SOCKETS,
  FD_LOCK,
  FD_STATUS,     // stage 1 reports to the jail; its end of file: exec was done
  FD_END,        // the pid namespace's init reports how the service ended
  FD_LOCK_PEER,  // init's end of the lock request
  FD_FIRST_FREE,
};

struct options {
  const char *ro[MAX_RO_PATHS];
  int ro_count;
  uid_t uid;  // who the service becomes, where `has_user`
  gid_t gid;
  bool has_user;
  uint64_t nofile;
  uint64_t data_bytes;  // 0: not set
  const char *cgroup;
  const char *memory_max;  // as written into the cgroup's files; NULL: not set
  const char *pids_max;
  const char *cpu_max;
  char **command;
};

struct launch {
  int level;
  bool probe;      // try everything, start nothing
  char group[48];  // name of the cgroup below --cgroup, at L4
};

// options.c: false after a complaint on stderr.
bool options_parse(int argc, char **argv, struct options *options);

// events.c: one line on stdout. False when the parent does not listen.
bool event(const char *format, ...) __attribute__((format(printf, 1, 2)));

// stage1.c, in the forked child: never returns.
_Noreturn void stage1(const struct options *options,
                      const struct launch *launch);
// Reports the step that failed with errno, and ends the child.
_Noreturn void stage1_fail(const char *step);

// tree.c, landlock.c, prefilter.c, cgroup.c: the steps of stage 1. They report
// with stage1_fail.
void tree_build(const struct options *options);
void tree_add_empty(void);
bool tree_take_away(void);
void landlock_restrict(const struct options *options);
void prefilter_install(void);
void cgroup_join(const struct options *options, const char *group);

// landlock.c: the ABI of this kernel, 0 where it has none.
int landlock_abi(void);

// cgroup.c, in the jail itself.
void cgroup_remove(const struct options *options, const char *group);
void cgroup_sweep(const struct options *options);

#endif  // XTP_JAIL_JAIL_H_
