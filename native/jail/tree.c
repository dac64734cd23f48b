// The file tree of L3: an empty tmpfs with the --ro paths mounted in it, read
// only, and the empty folder /e, which becomes the root when the service asks
// for its files to be taken away. No /proc, no /dev, no /sys.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "jail.h"

// The kernel's interface (Linux 5.12), which libcs of 2021 do not have yet. The
// numbers are the same on every architecture.
enum {
  OPEN_TREE = 428,
  MOVE_MOUNT = 429,
  MOUNT_SETATTR = 442,
  CLONE_TREE = 1,       // OPEN_TREE_CLONE
  EMPTY_FROM_TO = 68,   // MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH
  WHOLE_TREE = 0x8000,  // AT_RECURSIVE
  READ_ONLY = 1,        // MOUNT_ATTR_RDONLY
  NO_SUID = 2,          // MOUNT_ATTR_NOSUID
  NO_DEVICES = 4,       // MOUNT_ATTR_NODEV
  MAX_COMPONENT_BYTES = 256,
};
struct attributes {
  uint64_t set, clear, propagation, userns;
};

// A detached copy of what is at `path`, read-only with all that is mounted
// below. -1: there is nothing.
static int copy_mount(const char *path, bool *folder) {
  const int fd = (int)syscall(OPEN_TREE, AT_FDCWD, path,
                              CLONE_TREE | WHOLE_TREE | O_CLOEXEC);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return -1;
  must(fd >= 0, "open_tree");
  struct stat about;
  must(fstat(fd, &about) == 0, "stat");
  *folder = S_ISDIR(about.st_mode);
  // A device that is given by name (/dev/null) is meant to work.
  const uint64_t devices = S_ISCHR(about.st_mode) ? 0 : NO_DEVICES;
  struct attributes attributes = {READ_ONLY | NO_SUID | devices, 0, 0, 0};
  must(syscall(MOUNT_SETATTR, fd, "", AT_EMPTY_PATH | WHOLE_TREE, &attributes,
               sizeof attributes) == 0,
       "mount_setattr");
  return fd;
}

// Opens one component of a mount point below `at`, and makes it where it is
// not there. -1: it is a link.
static int step_into(int at, const char *name, bool folder) {
  int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    must((folder ? mkdirat(at, name, 0755)
                 : mknodat(at, name, S_IFREG | 0644, 0)) == 0,
         "make");
    fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  }
  struct stat about;
  must(fd >= 0 && fstat(fd, &about) == 0, "open");
  if (!S_ISLNK(about.st_mode)) return fd;
  close(fd);
  return -1;
}

// The mount point for `path` below the new root `at`. -1: a path given before
// has a link there, which leads to where it leads.
static int mount_point(int at, const char *path, bool folder) {
  int fd = fcntl(at, F_DUPFD_CLOEXEC, 0);
  while (fd >= 0) {
    path += strspn(path, "/");
    const size_t length = strcspn(path, "/");
    if (length == 0) return fd;
    char name[MAX_COMPONENT_BYTES];
    errno = ENAMETOOLONG;
    must(length < sizeof name, "open");
    memcpy(name, path, length);
    name[length] = '\0';
    path += length;
    const bool last = path[strspn(path, "/")] == '\0';
    const int next = step_into(fd, name, folder || !last);
    close(fd);
    fd = next;
  }
  return -1;
}

// "." twice stacks the new root on the old one, so that the old one needs no
// folder: pivot_root(2), Notes.
static bool leave_old_root(void) {
  return syscall(SYS_pivot_root, ".", ".") == 0 &&
         umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}

void tree_build(void) {
  static int copies[MAX_RO_PATHS];
  static bool folders[MAX_RO_PATHS];
  const unsigned long flags = MS_NOSUID | MS_NODEV;
  umask(022);
  must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "mount_private");
  // All copies first: the new root covers /tmp, where a path may be.
  for (int i = 0; i < options.ro_count; i++) {
    copies[i] = copy_mount(options.ro[i], &folders[i]);
  }
  must(mount("xtp", "/tmp", "tmpfs", flags, "mode=755,size=1m") == 0, "tmpfs");
  must(chdir("/tmp") == 0, "chdir");
  const int root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  must(root >= 0, "open");
  for (int i = 0; i < options.ro_count; i++) {
    if (copies[i] < 0) continue;
    const int to = mount_point(root, options.ro[i], folders[i]);
    must(to < 0 ||
             syscall(MOVE_MOUNT, copies[i], "", to, "", EMPTY_FROM_TO) == 0,
         "move_mount");
    close(copies[i]);
    close(to);
  }
  close(step_into(root, "e", true));
  close(root);
  must(leave_old_root(), "pivot_root");
  must(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | flags, NULL) ==
           0,
       "remount");
}

// Mounted by init itself: of mounts that came from outside none could become
// the root.
void tree_add_empty(void) {
  must(mount("xtp-empty", "/e", "tmpfs",
             MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
             "size=4k,mode=555") == 0,
       "empty");
}

bool tree_take_away(void) { return chdir("/e") == 0 && leave_old_root(); }
