// The parent's commands: a table of words, and one function for each, which
// checks every argument before anything is done.
#include <errno.h>
#include <string.h>

#include "jail.h"

enum { MAX_BUFFER_BYTES = 1 << 30 };

// Every function gets the words behind the command's own, and the first of them
// as a number where the table says that it is one. False: they make no sense,
// and name nothing that an answer could name.

static bool run_bind(char **words, uint32_t number) {
  (void)number;
  const char *id = words[0];
  if (!is_id(id)) return false;
  uint64_t port, receive, send;
  union socket_address address;
  struct buffers buffers;
  int error = EINVAL;
  if (parse_number(words[3], 0, UINT16_MAX, &port) &&
      parse_number(words[4], 0, MAX_BUFFER_BYTES, &receive) &&
      parse_number(words[5], 0, MAX_BUFFER_BYTES, &send)) {
    buffers = (struct buffers){(int)receive, (int)send};
    error = parse_address(words[1], words[2], (uint16_t)port, &address);
  }
  if (error == 0) error = socket_bind(id, &address, &buffers);
  if (error != 0) {
    event("error bind %s %d\n", id, error);
  } else {
    // the port is at the same place in both families
    event("bound %s %u %d %d\n", id, ntohs(address.v4.sin_port),
          buffers.receive, buffers.send);
  }
  return true;
}

static bool run_close(char **words, uint32_t number) {
  (void)number;
  if (!is_id(words[0])) return false;
  const int error = socket_close(words[0]);
  if (error != 0) {
    event("error close %s %d\n", words[0], error);
  } else {
    event("closed %s\n", words[0]);
  }
  return true;
}

static bool run_start(char **words, uint32_t number) {
  incarnation_start(number, parse_level(words[1]));
  return true;
}

static bool run_give(char **words, uint32_t number) {
  const char *id = words[1];
  if (!is_id(id)) return false;
  const int socket = socket_find(id);
  const int error = socket < 0 ? ENOENT : incarnation_give(number, id, socket);
  if (error != 0) {
    event("error give %u %s %d\n", number, id, error);
  } else {
    event("given %u %s\n", number, id);
  }
  return true;
}

static bool run_kill(char **words, uint32_t number) {
  uint64_t signal;
  if (!parse_number(words[1], 1, 64, &signal)) return false;
  incarnation_kill(number, (int)signal);
  return true;
}

static bool run_probe(char **words, uint32_t number) {
  const int level = parse_level(words[0]);
  if (level >= 0) incarnation_start(number, level);
  return level >= 0;
}

static const struct command {
  const char *word;
  int arguments;
  bool numbered;
  bool (*run)(char **words, uint32_t number);
} kCommands[] = {
    {"bind", 6, false, run_bind},  {"close", 1, false, run_close},
    {"start", 2, true, run_start}, {"give", 2, true, run_give},
    {"kill", 2, true, run_kill},   {"probe", 1, false, run_probe},
};

static bool run(char *line) {
  char *words[MAX_WORDS];
  uint64_t number = 0;
  const int count = line == NULL ? 0 : split_words(line, words);
  for (size_t i = 0; i < sizeof kCommands / sizeof *kCommands; i++) {
    const struct command *command = &kCommands[i];
    if (count != 1 + command->arguments ||
        strcmp(command->word, words[0]) != 0) {
      continue;
    }
    return (!command->numbered ||
            parse_number(words[1], 1, UINT32_MAX, &number)) &&
           command->run(words + 1, (uint32_t)number);
  }
  return false;
}

void command_run(char *line) {
  if (!run(line)) event("error - %d\n", EINVAL);
}
