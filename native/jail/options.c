// The command line. A wrong option is the parent's defect: it is told on
// stderr, and nothing starts.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jail.h"
#include "lines.h"

static bool complain(const char *option, const char *what) {
  fprintf(stderr, "xtp-jail: %s: %s\n", option, what);
  return false;
}

// "UID:GID", neither of them root.
static bool parse_user(const char *word, struct options *options) {
  char copy[32];
  const size_t length = strlen(word);
  const char *colon = strchr(word, ':');
  if (colon == NULL || length >= sizeof copy) return false;
  memcpy(copy, word, length + 1);
  copy[colon - word] = '\0';
  uint64_t uid, gid;
  // (uid_t)-1 means "no change" to the kernel
  if (!parse_number(copy, 1, UINT32_MAX - 1, &uid) ||
      !parse_number(copy + (colon - word) + 1, 1, UINT32_MAX - 1, &gid)) {
    return false;
  }
  options->uid = (uid_t)uid;
  options->gid = (gid_t)gid;
  options->has_user = true;
  return true;
}

// "QUOTA PERIOD" of cpu.max; QUOTA may be "max".
static bool is_cpu_max(const char *word) {
  char copy[48], *words[MAX_WORDS];
  uint64_t number;
  if (strlen(word) >= sizeof copy) return false;
  strcpy(copy, word);
  return split_words(copy, words) == 2 &&
         (strcmp(words[0], "max") == 0 ||
          parse_number(words[0], 1, INT64_MAX, &number)) &&
         parse_number(words[1], 1, INT64_MAX, &number);
}

static bool parse_option(const char *name, const char *value,
                         struct options *options) {
  uint64_t number;
  if (strcmp(name, "--ro") == 0) {
    if (value[0] != '/') return complain(name, "the path is not absolute");
    if (options->ro_count == MAX_RO_PATHS) return complain(name, "too many");
    options->ro[options->ro_count++] = value;
    return true;
  }
  if (strcmp(name, "--cgroup") == 0) {
    options->cgroup = value;
    return value[0] == '/' || complain(name, "the path is not absolute");
  }
  if (strcmp(name, "--user") == 0) {
    if (geteuid() != 0) return complain(name, "only root can change the user");
    return parse_user(value, options) ||
           complain(name, "not UID:GID, or one of them is 0");
  }
  if (strcmp(name, "--cpu-max") == 0) {
    options->cpu_max = value;
    return is_cpu_max(value) || complain(name, "not \"QUOTA PERIOD\"");
  }
  const struct {
    const char *name;
    uint64_t *number;
    const char **text;
  } numbers[] = {
      {"--nofile", &options->nofile, NULL},
      {"--data-bytes", &options->data_bytes, NULL},
      {"--memory-max", &number, &options->memory_max},
      {"--pids-max", &number, &options->pids_max},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (strcmp(numbers[i].name, name) != 0) continue;
    if (numbers[i].text != NULL) *numbers[i].text = value;
    return parse_number(value, 1, INT64_MAX, numbers[i].number) ||
           complain(name, "not a number greater than 0");
  }
  return complain(name, "unknown option");
}

bool options_parse(int argc, char **argv, struct options *options) {
  memset(options, 0, sizeof *options);
  options->nofile = 1024;
  int i = 1;
  for (; i < argc && strcmp(argv[i], "--") != 0; i += 2) {
    if (i + 1 >= argc) return complain(argv[i], "has no value");
    if (!parse_option(argv[i], argv[i + 1], options)) return false;
  }
  if (i >= argc) return complain("--", "missing");
  options->command = argv + i + 1;
  const char *program = options->command[0];
  return (program != NULL && program[0] == '/') ||
         complain("PROGRAM", "not an absolute path");
}
