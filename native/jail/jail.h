// What the parts of xtp-jail share, and offer each other. The contract is
// spec/xtp-jail.md.
#ifndef XTP_JAIL_JAIL_H_
#define XTP_JAIL_JAIL_H_

// What most parts need of the system.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lines.h"

enum {
  PROTOCOL_VERSION = 3,
  MAX_INCARNATIONS = 8,  // alive, waiting for links, or being probed
  POLLED = 2,            // descriptors of each of them
  MAX_RO_PATHS = 64,
  INSIDE_ID = 65533,  // the only user and group inside a user namespace
};

// The descriptors of a service (spec, section Links), and behind them those
// that only stage 1 uses: they are close-on-exec.
enum {
  FD_NULL,
  FD_OUT,  // the log, too
  FD_LOG,
  FD_CONTROL,
  FD_DATA,
  FD_SOCKETS,
  FD_LOCK,
  FD_STATUS,     // stage 1 reports to the jail; its end of file: exec was done
  FD_END,        // the pid namespace's init reports how the service ended
  FD_LOCK_PEER,  // init's end of the lock request
  FD_DEV_NULL,   // the jail's own, in front of which it has nothing else
};

// One line on stdout, which blocks until it is written.
#define event(...) dprintf(STDOUT_FILENO, __VA_ARGS__)

// --- main.c

// The command line; constant once it is read.
extern struct options {
  const char *ro[MAX_RO_PATHS];
  int ro_count;
  uint64_t uid, gid;  // who the service becomes; 0: not given
  uint64_t nofile;
  uint64_t data_bytes;  // 0: not set
  const char *cgroup;   // NULL: not given
  char **command;
} options;

// --- commands.c

// One line without its line feed; NULL for one that is no line of the protocol.
void command_run(char *line);

// --- incarnations.c: of the service, from the command that names one to the
// event that tells its end

// Number 0: a probe.
void incarnation_start(uint32_t number, int level);
// A link that came for it, of a kind: 'c', 'd' or 'l'. False: it waits for no
// such one.
bool incarnation_link(uint32_t number, unsigned char kind, int link);
void incarnation_kill(uint32_t number, int signal);
// 0 or an errno.
int incarnation_give(uint32_t number, const char *id, int socket);
// Fills the entries; after the poll, takes all as far as they have come.
void incarnations_poll(struct pollfd entries[MAX_INCARNATIONS * POLLED]);
void incarnations_settle(void);
// Kills everything, and waits until it is gone.
void incarnations_end(void);

// --- stage1.c

// The namespaces in which the child of a launch begins, as flags of clone.
int stage1_namespaces(int level);
// In that child: never returns. A probe starts nothing.
_Noreturn void stage1(int level, bool probe);
// For its steps: one that was not done is reported to the jail with errno, and
// ends the child.
void must(bool done, const char *step);

// --- tree.c, restrict.c: steps of stage 1

void tree_build(void);
void tree_add_empty(void);
bool tree_take_away(void);
void landlock_restrict(void);
void prefilter_install(void);

// The ABI of this kernel, 0 where it has no Landlock.
int landlock_abi(void);

#endif  // XTP_JAIL_JAIL_H_
