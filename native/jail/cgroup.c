// L4: a cgroup v2 group of its own for each incarnation, below the folder that
// the parent names. The child enters it before anything else; the jail removes
// it after the end, and at its start what dead jails left.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jail.h"
#include "lines.h"

static int open_folder(const struct options *options) {
  return open(options->cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool write_file(int at, const char *name, const char *text) {
  const int fd = openat(at, name, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t length = (ssize_t)strlen(text);
  const bool done = write(fd, text, (size_t)length) == length;
  const int error = errno;
  close(fd);
  errno = error;
  return done;
}

// A group has the files of a controller when the folder above passes it on.
static void set_limit(int folder, int group, const char *controller,
                      const char *file, const char *value, const char *step) {
  if (value == NULL) return;
  if (faccessat(group, file, F_OK, 0) != 0 &&
      !write_file(folder, "cgroup.subtree_control", controller)) {
    stage1_fail(step);
  }
  if (!write_file(group, file, value)) stage1_fail(step);
}

void cgroup_join(const struct options *options, const char *name) {
  if (options->cgroup == NULL) {
    errno = EINVAL;
    stage1_fail("cgroup");
  }
  const int folder = open_folder(options);
  if (folder < 0) stage1_fail("cgroup");
  if (mkdirat(folder, name, 0755) != 0) stage1_fail("cgroup_mkdir");
  const int group = openat(folder, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (group < 0) stage1_fail("cgroup_mkdir");
  set_limit(folder, group, "+memory", "memory.max", options->memory_max,
            "cgroup_memory");
  set_limit(folder, group, "+pids", "pids.max", options->pids_max,
            "cgroup_pids");
  set_limit(folder, group, "+cpu", "cpu.max", options->cpu_max, "cgroup_cpu");
  if (!write_file(group, "cgroup.procs", "0")) stage1_fail("cgroup_procs");
  close(group);
  close(folder);
}

void cgroup_remove(const struct options *options, const char *name) {
  const int folder = open_folder(options);
  if (folder < 0) return;
  unlinkat(folder, name, AT_REMOVEDIR);  // one that was never made is not there
  close(folder);
}

// The jail's pid in a name of the form xtp-PID-…; 0: another name.
static pid_t owner(const char *name) {
  char digits[16];
  if (strncmp(name, "xtp-", 4) != 0) return 0;
  const size_t length = strcspn(name + 4, "-");
  uint64_t pid;
  if (name[4 + length] != '-' || length >= sizeof digits) return 0;
  memcpy(digits, name + 4, length);
  digits[length] = '\0';
  return parse_number(digits, 1, INT_MAX, &pid) ? (pid_t)pid : 0;
}

void cgroup_sweep(const struct options *options) {
  DIR *folder = options->cgroup == NULL ? NULL : opendir(options->cgroup);
  if (folder == NULL) return;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    const pid_t jail = owner(entry->d_name);
    if (jail > 0 && kill(jail, 0) != 0 && errno == ESRCH) {
      unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR);  // if empty
    }
  }
  closedir(folder);
}
