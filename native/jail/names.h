// Names of errors as the line protocol writes them.
#ifndef XTP_JAIL_NAMES_H_
#define XTP_JAIL_NAMES_H_

#ifdef __cplusplus
extern "C" {
#endif

// "EADDRINUSE", or "E123" for a number without a name here. The result lives
// until the next call.
const char *errno_name(int error);

#ifdef __cplusplus
}
#endif

#endif  // XTP_JAIL_NAMES_H_
