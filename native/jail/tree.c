// The file tree of L3: an empty tmpfs with the --ro paths mounted in it, read
// only, and the empty folder /e, which becomes the root when the service asks
// for its files to be taken away. No /proc, no /dev, no /sys.
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail.h"

// The kernel's interface (Linux 5.12), which libcs of 2021 do not have yet.
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
enum {
  CLONE_TREE = 1,       // OPEN_TREE_CLONE
  EMPTY_FROM = 4,       // MOVE_MOUNT_F_EMPTY_PATH
  EMPTY_TO = 0x40,      // MOVE_MOUNT_T_EMPTY_PATH
  WHOLE_TREE = 0x8000,  // AT_RECURSIVE
  READ_ONLY = 1,        // MOUNT_ATTR_RDONLY
  NO_SUID = 2,          // MOUNT_ATTR_NOSUID
  NO_DEVICES = 4,       // MOUNT_ATTR_NODEV
  MAX_COMPONENT_BYTES = 256,
};
struct attributes {
  uint64_t set, clear, propagation, userns;
};

static int set_attributes(int fd, uint64_t set) {
  struct attributes attributes = {set, 0, 0, 0};
  return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | WHOLE_TREE,
                      &attributes, sizeof attributes);
}

// A detached copy of what is at `path`, read-only with all that is mounted
// below. -1: there is nothing.
static int copy_mount(const char *path, bool *folder) {
  const int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path,
                              CLONE_TREE | WHOLE_TREE | O_CLOEXEC);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return -1;
  if (fd < 0) stage1_fail("open_tree");
  struct stat about;
  if (fstat(fd, &about) != 0) stage1_fail("stat");
  *folder = S_ISDIR(about.st_mode);
  // A device that is given by name (/dev/null) is meant to work.
  const uint64_t devices = S_ISCHR(about.st_mode) ? 0 : NO_DEVICES;
  if (set_attributes(fd, READ_ONLY | NO_SUID | devices) != 0) {
    stage1_fail("mount_setattr");
  }
  return fd;
}

// Opens one component of a mount point below `at`, and makes it where it is
// not there. -1 with ELOOP: it is a link.
static int step_into(int at, const char *name, bool folder) {
  int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    if (folder) {
      if (mkdirat(at, name, 0755) != 0) stage1_fail("mkdir");
    } else {
      const int file = openat(at, name, O_CREAT | O_EXCL | O_CLOEXEC, 0644);
      if (file < 0) stage1_fail("create");
      close(file);
    }
    fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  }
  struct stat about;
  if (fd < 0 || fstat(fd, &about) != 0) stage1_fail("open");
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
    if (length >= sizeof name) {
      errno = ENAMETOOLONG;
      stage1_fail("open");
    }
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

static void leave_old_root(const char *step) {
  // "." twice stacks the new root on the old one, so that the old one needs
  // no folder: pivot_root(2), Notes.
  if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 ||
      chdir("/") != 0) {
    stage1_fail(step);
  }
}

void tree_build(const struct options *options) {
  static int copies[MAX_RO_PATHS];
  static bool folders[MAX_RO_PATHS];
  umask(022);
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
    stage1_fail("mount_private");
  }
  // All copies first: the new root covers /tmp, where a path may be.
  for (int i = 0; i < options->ro_count; i++) {
    copies[i] = copy_mount(options->ro[i], &folders[i]);
  }
  if (mount("xtp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m") !=
      0) {
    stage1_fail("tmpfs");
  }
  if (chdir("/tmp") != 0) stage1_fail("chdir");
  const int root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) stage1_fail("open");
  for (int i = 0; i < options->ro_count; i++) {
    if (copies[i] < 0) continue;
    const int to = mount_point(root, options->ro[i], folders[i]);
    if (to >= 0 && syscall(SYS_move_mount, copies[i], "", to, "",
                           EMPTY_FROM | EMPTY_TO) != 0) {
      stage1_fail("move_mount");
    }
    close(copies[i]);
    if (to >= 0) close(to);
  }
  close(step_into(root, "e", true));
  close(root);
  leave_old_root("pivot_root");
  if (mount(NULL, "/", NULL,
            MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV,
            NULL) != 0) {
    stage1_fail("remount");
  }
}

// Mounted by init itself: of mounts that came from outside none could become
// the root.
void tree_add_empty(void) {
  if (mount("xtp-empty", "/e", "tmpfs",
            MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
            "size=4k,mode=555") != 0) {
    stage1_fail("empty");
  }
}

bool tree_take_away(void) {
  return chdir("/e") == 0 && syscall(SYS_pivot_root, ".", ".") == 0 &&
         umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}
