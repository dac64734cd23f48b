// Names of errors and signals: tables, because libc's own
// (strerrorname_np, sigabbrev_np) are missing in older ones.
#include "names.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lines.h"

struct name {
  int number;
  const char *text;
};

#define ROW(error) \
  { error, #error }
static const struct name kErrors[] = {
    ROW(EPERM),         ROW(ENOENT),
    ROW(ESRCH),         ROW(EINTR),
    ROW(EIO),           ROW(ENXIO),
    ROW(E2BIG),         ROW(ENOEXEC),
    ROW(EBADF),         ROW(ECHILD),
    ROW(EAGAIN),        ROW(ENOMEM),
    ROW(EACCES),        ROW(EFAULT),
    ROW(EBUSY),         ROW(EEXIST),
    ROW(EXDEV),         ROW(ENODEV),
    ROW(ENOTDIR),       ROW(EISDIR),
    ROW(EINVAL),        ROW(ENFILE),
    ROW(EMFILE),        ROW(ENOTTY),
    ROW(ETXTBSY),       ROW(EFBIG),
    ROW(ENOSPC),        ROW(ESPIPE),
    ROW(EROFS),         ROW(EMLINK),
    ROW(EPIPE),         ROW(EDOM),
    ROW(ERANGE),        ROW(EDEADLK),
    ROW(ENAMETOOLONG),  ROW(ENOLCK),
    ROW(ENOSYS),        ROW(ENOTEMPTY),
    ROW(ELOOP),         ROW(EPROTO),
    ROW(EOVERFLOW),     ROW(EILSEQ),
    ROW(EUSERS),        ROW(ENOTSOCK),
    ROW(EDESTADDRREQ),  ROW(EMSGSIZE),
    ROW(EPROTOTYPE),    ROW(ENOPROTOOPT),
    ROW(EOPNOTSUPP),    ROW(EPROTONOSUPPORT),
    ROW(EAFNOSUPPORT),  ROW(EADDRINUSE),
    ROW(EADDRNOTAVAIL), ROW(ENETDOWN),
    ROW(ENETUNREACH),   ROW(ECONNABORTED),
    ROW(ECONNRESET),    ROW(ENOBUFS),
    ROW(EISCONN),       ROW(ENOTCONN),
    ROW(ETOOMANYREFS),  ROW(ETIMEDOUT),
    ROW(ECONNREFUSED),  ROW(EHOSTUNREACH),
    ROW(EALREADY),      ROW(EINPROGRESS),
    ROW(ESTALE),        ROW(EDQUOT),
    ROW(ECANCELED),     ROW(ELIBBAD),
};
#undef ROW

#define ROW(name) \
  { SIG##name, #name }
static const struct name kSignals[] = {
    ROW(HUP),  ROW(INT),  ROW(QUIT), ROW(ILL),    ROW(TRAP), ROW(ABRT),
    ROW(BUS),  ROW(FPE),  ROW(KILL), ROW(USR1),   ROW(SEGV), ROW(USR2),
    ROW(PIPE), ROW(ALRM), ROW(TERM), ROW(CHLD),   ROW(CONT), ROW(STOP),
    ROW(TSTP), ROW(TTIN), ROW(TTOU), ROW(URG),    ROW(XCPU), ROW(XFSZ),
    ROW(PROF), ROW(SYS),  ROW(IO),   ROW(VTALRM), ROW(PWR),  ROW(WINCH),
};
#undef ROW

const char *errno_name(int error) {
  static char number[16];
  for (size_t i = 0; i < sizeof kErrors / sizeof *kErrors; i++) {
    if (kErrors[i].number == error) return kErrors[i].text;
  }
  snprintf(number, sizeof number, "E%d", error);
  return number;
}

int signal_number(const char *word) {
  uint64_t number;
  if (parse_number(word, 1, 64, &number)) return (int)number;
  if (strncmp(word, "SIG", 3) == 0) word += 3;
  for (size_t i = 0; i < sizeof kSignals / sizeof *kSignals; i++) {
    if (strcmp(kSignals[i].text, word) == 0) return kSignals[i].number;
  }
  return 0;
}
