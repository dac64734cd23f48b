// What the parts of xtp-jail share, and offer each other. The contract is
// spec/xtp-jail.md.
#ifndef XTP_JAIL_JAIL_H_
#define XTP_JAIL_JAIL_H_

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "lines.h"

enum {
  PROTOCOL_VERSION = 2,
  MAX_SOCKETS = 64,
  MAX_INCARNATIONS = 8,  // alive, waiting for links, or being probed
  LINKS = 3,             // of an incarnation: control, data, log
  // That wait for their tag or their incarnation. All that is polled has to be
  // less than a small RLIMIT_NOFILE.
  MAX_LINKS = 16,
  MAX_RO_PATHS = 64,
  INSIDE_ID = 65533,  // the only user and group inside a user namespace
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

// One line on stdout, which blocks until it is written.
#define event(...) dprintf(STDOUT_FILENO, __VA_ARGS__)

// --- options.c

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
// False after a complaint on stderr.
bool options_parse(int argc, char **argv);

// --- commands.c

// One line without its line feed; NULL for one that is no line of the protocol.
void command_run(char *line);

// --- sockets.c: the kept UDP sockets

// Buffers of a socket in bytes, as asked for (0: the system's default) and then
// as granted.
struct buffers {
  int receive, send;
};
// 0 or an errno. `address` becomes the one that it is bound to.
int socket_bind(const char *id, union socket_address *address,
                struct buffers *buffers);
int socket_close(const char *id);
// Its descriptor; -1: there is none of that ID.
int socket_find(const char *id);

// --- links.c: links that wait for the rest of their tag, or to be taken

// Listens; only `parent` may connect. The socket's name, or NULL with errno.
const char *links_listen(pid_t parent);
// Fills an entry for each place and one more; what poll found goes back.
void links_poll(struct pollfd entries[MAX_LINKS + 1]);
void links_polled(const struct pollfd entries[MAX_LINKS + 1]);
// The links of an incarnation, if all are there: they are the caller's then.
bool links_take(uint32_t number, int fds[LINKS]);
// Closes those of incarnations that expect none any more.
void links_sweep(void);

// --- incarnations.c: of the service, from the command that names one to the
// event that tells its end

// Number 0: a probe.
void incarnation_start(uint32_t number, int level);
void incarnation_kill(uint32_t number, int signal);
// 0 or an errno.
int incarnation_give(uint32_t number, const char *id, int socket);
// Whether it waits for links, or may still come to do so.
bool incarnation_expects_links(uint32_t number);
// Launches those whose links have all come.
void incarnations_launch(void);
// Fills one entry for each place; what poll found goes back.
void incarnations_poll(struct pollfd entries[MAX_INCARNATIONS]);
void incarnations_polled(const struct pollfd entries[MAX_INCARNATIONS]);
// After SIGCHLD: reaps, and tells the ends.
void incarnations_reap(void);
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

// --- tree.c, landlock.c, prefilter.c: steps of stage 1

void tree_build(void);
void tree_add_empty(void);
bool tree_take_away(void);
void landlock_restrict(void);
void prefilter_install(void);

// The ABI of this kernel, 0 where it has no Landlock.
int landlock_abi(void);

#endif  // XTP_JAIL_JAIL_H_
