// Files, and what stands in them.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attacks/attacks.h"

extern char** environ;

namespace xtp::attacks {
namespace {

Outcome Read(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Failed();
  char bytes[16];
  const ssize_t got = read(fd, bytes, sizeof bytes);
  const int error = errno;
  close(fd);
  errno = error;
  return Tried(got);
}

std::string Proc(const Context& c, const char* file) {
  return "/proc/" + std::to_string(c.parent) + "/" + file;
}

Outcome Create(const std::string& folder) {
  const std::string path = folder + "/xtp-attack";
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) return Failed();
  close(fd);
  unlink(path.c_str());
  return Done("created");
}

// What is open and is none of those that a service has.
Outcome StrayDescriptors(const Context&) {
  for (int fd = 7; fd < 1024; fd++) {
    struct stat stat;
    if (fcntl(fd, F_GETFD) < 0 || fstat(fd, &stat) != 0) continue;
    if (S_ISREG(stat.st_mode) || S_ISDIR(stat.st_mode) ||
        S_ISBLK(stat.st_mode)) {
      return Done("descriptor " + std::to_string(fd));
    }
  }
  errno = EBADF;
  return Failed();
}

Outcome Secrets(const Context&) {
  for (char** at = environ; *at != nullptr; at++) {
    const std::string entry = *at;
    if (entry.rfind("TZ=", 0) == 0 || entry.rfind("OPENSSL_CONF=", 0) == 0) {
      continue;
    }
    return Done(entry.substr(0, entry.find('=')));
  }
  errno = ENOENT;
  return Failed();
}

Outcome ManyDescriptors(const Context&) {
  std::vector<int> all;
  for (int fd; all.size() < 5000 && (fd = dup(2)) >= 0;) all.push_back(fd);
  const size_t count = all.size();
  for (const int fd : all) close(fd);
  errno = EMFILE;
  return count >= 4096 ? Done(std::to_string(count)) : Failed();
}

}  // namespace

void AddFiles(std::vector<Attack>* all) {
  const Attack attacks[] = {
      {"read /etc/passwd", [](const Context&) { return Read("/etc/passwd"); }},
      {"read its own package",
       [](const Context& c) { return Read(c.package_file); }},
      {"read the parent's environment",
       [](const Context& c) { return Read(Proc(c, "environ")); }},
      {"read the parent's maps",
       [](const Context& c) { return Read(Proc(c, "maps")); }},
      {"open the parent's memory",
       [](const Context& c) {
         return Tried(open(Proc(c, "mem").c_str(), O_RDWR | O_CLOEXEC));
       }},
      {"list /",
       [](const Context&) {
         return Tried(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
       }},
      {"stat /etc/passwd",
       [](const Context&) {
         struct stat stat;
         return Tried(::stat("/etc/passwd", &stat));
       }},
      {"create a file in /tmp", [](const Context&) { return Create("/tmp"); }},
      {"create a file where everybody may",
       [](const Context& c) { return Create(c.writable); }},
      {"create a file in its directory",
       [](const Context&) { return Create("."); }},
      {"make a link",
       [](const Context& c) {
         const std::string path = c.writable + "/xtp-link";
         const Outcome outcome = Tried(symlink("/etc/passwd", path.c_str()));
         unlink(path.c_str());
         return outcome;
       }},
      {"make a folder",
       [](const Context& c) {
         const std::string path = c.writable + "/xtp-folder";
         const Outcome outcome = Tried(mkdir(path.c_str(), 0700));
         rmdir(path.c_str());
         return outcome;
       }},
      {"rename a file",
       [](const Context& c) {
         const std::string path = c.writable + "/xtp-none";
         return Permitted(rename(path.c_str(), (path + "2").c_str()), ENOENT);
       }},
      {"make a device",
       [](const Context& c) {
         const std::string path = c.writable + "/xtp-null";
         const Outcome outcome = Tried(
             mknod(path.c_str(), S_IFCHR | 0600, static_cast<dev_t>(0x103)));
         unlink(path.c_str());
         return outcome;
       }},
      {"make an anonymous file",
       [](const Context&) { return Tried(syscall(SYS_memfd_create, "x", 1)); }},
      {"load a library from disk",
       [](const Context&) {
         errno = EACCES;
         return dlopen("libresolv.so.2", RTLD_NOW | RTLD_LOCAL) != nullptr
                    ? Done()
                    : Failed();
       }},
      {"watch a folder",
       [](const Context&) { return Tried(inotify_init1(IN_CLOEXEC)); }},
      {"inherited descriptors", StrayDescriptors},
      {"secrets in the environment", Secrets},
      {"use up descriptors", ManyDescriptors},
      {"raise the limit on descriptors",
       [](const Context&) {
         rlimit limit;
         getrlimit(RLIMIT_NOFILE, &limit);
         const rlimit more = {limit.rlim_max + 1, limit.rlim_max + 1};
         const Outcome outcome = Tried(setrlimit(RLIMIT_NOFILE, &more));
         if (outcome.possible) setrlimit(RLIMIT_NOFILE, &limit);
         return outcome;
       }},
      {"name_to_handle_at",
       [](const Context&) {
         return Permitted(
             syscall(SYS_name_to_handle_at, AT_FDCWD, "/", nullptr, nullptr, 0),
             EFAULT);
       }},
      {"open_by_handle_at",
       [](const Context&) {
         return Permitted(
             syscall(SYS_open_by_handle_at, AT_FDCWD, nullptr, O_RDONLY),
             EFAULT);
       }},
  };
  all->insert(all->end(), std::begin(attacks), std::end(attacks));
}

}  // namespace xtp::attacks
