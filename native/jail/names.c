// Names of errors: a table, because libc's own (strerrorname_np) is missing in
// older ones.
#include "names.h"

#include <errno.h>
#include <stdio.h>

#define ROW(error) \
  { error, #error }
static const struct {
  int number;
  const char *text;
} kErrors[] = {
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

const char *errno_name(int error) {
  static char number[16];
  for (size_t i = 0; i < sizeof kErrors / sizeof *kErrors; i++) {
    if (kErrors[i].number == error) return kErrors[i].text;
  }
  snprintf(number, sizeof number, "E%d", error);
  return number;
}
