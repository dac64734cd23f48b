// The command line. A wrong option is the parent's defect: it is told on
// stderr, and nothing starts.
#include <string.h>

#include "jail.h"

struct options options = {.nofile = 1024};

static bool parse_option(const char *name, const char *value) {
  const struct {
    const char *name;
    uint64_t most;
    uint64_t *value;
  } numbers[] = {
      // (uid_t)-1 means "no change" to the kernel
      {"--uid", UINT32_MAX - 1, &options.uid},
      {"--gid", UINT32_MAX - 1, &options.gid},
      {"--nofile", INT64_MAX, &options.nofile},
      {"--data-bytes", INT64_MAX, &options.data_bytes},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (strcmp(numbers[i].name, name) == 0) {
      return parse_number(value, 1, numbers[i].most, numbers[i].value);
    }
  }
  if (value[0] != '/') return false;
  if (strcmp(name, "--cgroup") == 0) {
    options.cgroup = value;
    return true;
  }
  if (strcmp(name, "--ro") != 0 || options.ro_count == MAX_RO_PATHS) {
    return false;
  }
  options.ro[options.ro_count++] = value;
  return true;
}

bool options_parse(int argc, char **argv) {
  int i = 1;
  for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
    if (!parse_option(argv[i], argv[i + 1])) {
      fprintf(stderr, "xtp-jail: no option: %s %s\n", argv[i], argv[i + 1]);
      return false;
    }
  }
  options.command = argv + i + 1;
  const bool user = options.uid != 0;
  if (i + 1 >= argc || argv[i + 1][0] != '/') {
    fprintf(stderr, "xtp-jail: no absolute path of a program behind --\n");
  } else if (user != (options.gid != 0) || (user && geteuid() != 0)) {
    fprintf(stderr, "xtp-jail: --uid and --gid go together, and need root\n");
  } else {
    return true;
  }
  return false;
}
