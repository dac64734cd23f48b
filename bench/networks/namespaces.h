// Two network namespaces, which end with the last process in them. An ordinary
// user gets them within a user namespace.
#ifndef XTP_BENCH_NETWORKS_NAMESPACES_H_
#define XTP_BENCH_NETWORKS_NAMESPACES_H_

#include "common/status.h"

namespace xtp::networks {

// Descriptors of two new network namespaces. The process is in the second one
// afterwards, and, where it may not make them otherwise, in a user namespace in
// which it keeps its user.
Status MakeNamespaces(int (&out)[2]);

// Moves the process into namespaces, as /proc/PID/ns/user and /proc/PID/fd/N of
// whoever made them name them. The user namespace may be the process's own.
Status EnterNamespaces(const char* user, const char* net);

}  // namespace xtp::networks

#endif  // XTP_BENCH_NETWORKS_NAMESPACES_H_
