// The file tree of L3: an empty tmpfs with the --ro paths mounted in it, read
// only, and the empty folder /e, which becomes the root when the service asks
// for its files to be taken away. No /proc, no /dev, no /sys.
#include <limits.h>
#include <sys/mount.h>

#include "jail.h"

// The kernel's interface (Linux 5.12), which libcs of 2021 do not have yet. The
// numbers are the same on every architecture.
enum {
  OPEN_TREE = 428,
  MOVE_MOUNT = 429,
  OPENAT2 = 437,
  MOUNT_SETATTR = 442,
  CLONE_TREE = 1,       // OPEN_TREE_CLONE
  EMPTY_FROM_TO = 68,   // MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH
  NO_LINKS = 4,         // RESOLVE_NO_SYMLINKS
  WHOLE_TREE = 0x8000,  // AT_RECURSIVE
  READ_ONLY = 1,        // MOUNT_ATTR_RDONLY
  NO_SUID = 2,          // MOUNT_ATTR_NOSUID
  NO_DEVICES = 4,       // MOUNT_ATTR_NODEV
};

// A mount point. It may be there; behind a link it may not be possible.
static void make(const char *name, bool folder) {
  const int made = folder ? mkdir(name, 0755) : mknod(name, S_IFREG | 0644, 0);
  must(made == 0 || (errno != ENOMEM && errno != ENOSPC), "make");
}

// Mounts a copy, read-only with all that is mounted below it, at its path in
// the new root, which is ours already: a link on the way leads nowhere else.
static void mount_copy(int copy, const char *path) {
  struct stat about;
  must(fstat(copy, &about) == 0, "stat");
  // A device that is given by name (/dev/null) is meant to work.
  const uint64_t devices = S_ISCHR(about.st_mode) ? 0 : NO_DEVICES;
  // struct mount_attr: to set, to clear, propagation, user namespace
  uint64_t attributes[] = {READ_ONLY | NO_SUID | devices, 0, 0, 0};
  must(syscall(MOUNT_SETATTR, copy, "", AT_EMPTY_PATH | WHOLE_TREE, attributes,
               sizeof attributes) == 0,
       "mount_setattr");
  char name[PATH_MAX];
  snprintf(name, sizeof name, "%s", path);
  for (char *end = name; (end = strchr(end + 1, '/')) != NULL; *end = '/') {
    *end = '\0';
    make(name, true);
  }
  make(name, S_ISDIR(about.st_mode));
  // A path behind a link of a folder given before is passed over: the link
  // leads where it leads.
  const uint64_t how[] = {O_PATH | O_CLOEXEC, 0, NO_LINKS};
  const int to = (int)syscall(OPENAT2, AT_FDCWD, name, how, sizeof how);
  must(to < 0 ? errno == ELOOP || errno == ENOENT
              : syscall(MOVE_MOUNT, copy, "", to, "", EMPTY_FROM_TO) == 0,
       "move_mount");
  close(to);
  close(copy);
}

// "." twice stacks the new root on the old one, so that the old one needs no
// folder: pivot_root(2), Notes.
static bool leave_old_root(void) {
  return syscall(SYS_pivot_root, ".", ".") == 0 &&
         umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}

void tree_build(void) {
  int copies[MAX_RO_PATHS];
  const unsigned long flags = MS_NOSUID | MS_NODEV;
  umask(022);
  must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "mount_private");
  for (int i = 0; i < options.ro_count; i++) {
    copies[i] = (int)syscall(OPEN_TREE, AT_FDCWD, options.ro[i],
                             CLONE_TREE | WHOLE_TREE | O_CLOEXEC);
    must(copies[i] >= 0 || errno == ENOENT || errno == ENOTDIR, "open_tree");
  }
  must(mount("xtp", "/tmp", "tmpfs", flags, "mode=755,size=1m") == 0, "tmpfs");
  must(chdir("/tmp") == 0 && leave_old_root(), "pivot_root");
  for (int i = 0; i < options.ro_count; i++) {
    if (copies[i] >= 0) mount_copy(copies[i], options.ro[i]);
  }
  mkdir("/e", 0755);
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
