// Events: lines on stdout, written whole.
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "jail.h"
#include "lines.h"

bool event(const char *format, ...) {
  char line[MAX_LINE_BYTES];
  va_list values;
  va_start(values, format);
  // No event comes near the limit: IDs, names and numbers are all short.
  int length = vsnprintf(line, sizeof line - 1, format, values);
  va_end(values);
  if (length < 0) return false;
  if (length > (int)sizeof line - 2) length = (int)sizeof line - 2;
  line[length++] = '\n';
  for (int done = 0; done < length;) {
    const ssize_t wrote = write(STDOUT_FILENO, line + done, length - done);
    if (wrote > 0) {
      done += (int)wrote;
    } else if (wrote < 0 && errno == EAGAIN) {
      struct pollfd room = {STDOUT_FILENO, POLLOUT, 0};
      poll(&room, 1, -1);
    } else if (wrote == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}
