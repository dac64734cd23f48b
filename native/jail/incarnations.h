// The incarnations of the service: from the first link or command that names
// one to the event that tells its end.
#ifndef XTP_JAIL_INCARNATIONS_H_
#define XTP_JAIL_INCARNATIONS_H_

#include <poll.h>
#include <stdint.h>

#include "jail.h"

void incarnations_init(const struct options *options);

// Commands. They emit the events that answer them.
void incarnation_start(uint32_t number, int level);
void incarnation_kill(uint32_t number, int signal);
void incarnation_probe(int level);
// 0 or an errno.
int incarnation_give(uint32_t number, const char *id, int socket);

// Takes a link that said its tag: kind c, d or l. False: nobody waits for it,
// and it remains the caller's.
bool incarnation_take_link(uint32_t number, char kind, int fd);

// Fills one entry for each place; what poll found goes back to `polled`.
void incarnations_poll(struct pollfd entries[MAX_INCARNATIONS]);
void incarnations_polled(const struct pollfd entries[MAX_INCARNATIONS]);

// After SIGCHLD: reaps, and tells the ends.
void incarnations_reap(void);

// Kills everything, and waits until it is gone.
void incarnations_end(void);

#endif  // XTP_JAIL_INCARNATIONS_H_
