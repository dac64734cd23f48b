#include "namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace xtp::networks {
namespace {

Status Failed(const std::string& what) {
  return Status(Code::kPermissionDenied, what + ": " + strerror(errno), errno);
}

bool WriteFile(const char* name, const std::string& text) {
  const int fd = open(name, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written =
      write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return written;
}

Status MakeUserNamespace() {
  const std::string uid = std::to_string(geteuid());
  const std::string gid = std::to_string(getegid());
  if (unshare(CLONE_NEWUSER) != 0) {
    return Failed(
        "no network namespace and no user namespace to make one in; run it as "
        "root (in a container: with CAP_SYS_ADMIN), or allow user namespaces "
        "(sysctl user.max_user_namespaces=15000, and where there is one, "
        "kernel.apparmor_restrict_unprivileged_userns=0)");
  }
  if (!WriteFile("/proc/self/setgroups", "deny") ||
      !WriteFile("/proc/self/gid_map", gid + " " + gid + " 1\n") ||
      !WriteFile("/proc/self/uid_map", uid + " " + uid + " 1\n")) {
    return Failed("cannot keep the user in a user namespace; run it as root");
  }
  return Status::Ok();
}

Status MakeNetNamespace(int* out) {
  if (unshare(CLONE_NEWNET) != 0) return Failed("no network namespace");
  *out = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  return *out >= 0 ? Status::Ok() : Failed("/proc/self/ns/net");
}

bool IsOwn(int fd, const char* name) {
  struct stat given, own;
  return fstat(fd, &given) == 0 && stat(name, &own) == 0 &&
         given.st_ino == own.st_ino && given.st_dev == own.st_dev;
}

Status Enter(const char* name, int kind, const char* own) {
  const int fd = open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Failed(name);
  const bool entered = IsOwn(fd, own) || setns(fd, kind) == 0;
  const Status status =
      entered ? Status::Ok() : Failed(std::string("cannot enter ") + name);
  close(fd);
  return status;
}

}  // namespace

Status MakeNamespaces(int (&out)[2]) {
  if (!MakeNetNamespace(&out[0]).ok()) {
    Status status = MakeUserNamespace();
    if (status.ok()) status = MakeNetNamespace(&out[0]);
    if (!status.ok()) return status;
  }
  return MakeNetNamespace(&out[1]);
}

Status EnterNamespaces(const char* user, const char* net) {
  const Status status = Enter(user, CLONE_NEWUSER, "/proc/self/ns/user");
  return status.ok() ? Enter(net, CLONE_NEWNET, "/proc/self/ns/net") : status;
}

}  // namespace xtp::networks
