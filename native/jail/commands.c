// The parent's commands: a table of words, and one function for each, which
// checks every argument before anything is done.
#include "commands.h"

#include <errno.h>
#include <string.h>

#include "incarnations.h"
#include "lines.h"
#include "names.h"
#include "sockets.h"

enum { MAX_BUFFER_BYTES = 1 << 30 };

// Every function gets the words behind the command's own. False: they make no
// sense, and name nothing that an answer could name.

static bool run_bind(char **words) {
  const char *id = words[0];
  if (!is_id(id)) return false;
  struct bind_request request = {.id = id};
  struct bind_result result;
  uint64_t port, receive, send;
  int error = EINVAL;
  request.family = strcmp(words[1], "udp4") == 0   ? AF_INET
                   : strcmp(words[1], "udp6") == 0 ? AF_INET6
                                                   : AF_UNSPEC;
  if (request.family != AF_UNSPEC &&
      parse_number(words[3], 0, UINT16_MAX, &port) &&
      parse_number(words[4], 0, MAX_BUFFER_BYTES, &receive) &&
      parse_number(words[5], 0, MAX_BUFFER_BYTES, &send)) {
    request.receive_bytes = (int)receive;
    request.send_bytes = (int)send;
    error = parse_address(request.family, words[2], (uint16_t)port,
                          &request.address);
    if (error == 0) error = sockets_bind(&request, &result);
  }
  if (error != 0) {
    event("error bind %s %s", id, errno_name(error));
  } else {
    event("bound %s %u %d %d", id, result.port, result.receive_bytes,
          result.send_bytes);
  }
  return true;
}

static bool run_close(char **words) {
  if (!is_id(words[0])) return false;
  const int error = sockets_close(words[0]);
  if (error != 0) {
    event("error close %s %s", words[0], errno_name(error));
  } else {
    event("closed %s", words[0]);
  }
  return true;
}

static bool parse_incarnation(const char *word, uint32_t *number) {
  uint64_t value;
  if (!parse_number(word, 1, UINT32_MAX, &value)) return false;
  *number = (uint32_t)value;
  return true;
}

static bool run_start(char **words) {
  uint32_t number;
  if (!parse_incarnation(words[0], &number)) return false;
  incarnation_start(number, parse_level(words[1]));
  return true;
}

static bool run_give(char **words) {
  uint32_t number;
  if (!parse_incarnation(words[0], &number) || !is_id(words[1])) return false;
  const int socket = sockets_find(words[1]);
  const int error =
      socket < 0 ? ENOENT : incarnation_give(number, words[1], socket);
  if (error != 0) {
    event("error give %u %s %s", number, words[1], errno_name(error));
  } else {
    event("given %u %s", number, words[1]);
  }
  return true;
}

static bool run_kill(char **words) {
  uint32_t number;
  uint64_t signal;
  if (!parse_incarnation(words[0], &number) ||
      !parse_number(words[1], 1, 64, &signal)) {
    return false;
  }
  incarnation_kill(number, (int)signal);
  return true;
}

static bool run_probe(char **words) {
  const int level = parse_level(words[0]);
  if (level >= 0) incarnation_probe(level);
  return level >= 0;
}

static const struct command {
  const char *word;
  int arguments;
  bool (*run)(char **words);
} kCommands[] = {
    {"bind", 6, run_bind}, {"close", 1, run_close}, {"start", 2, run_start},
    {"give", 2, run_give}, {"kill", 2, run_kill},   {"probe", 1, run_probe},
};

static bool run(char *line) {
  char *words[MAX_WORDS];
  const int count = line == NULL ? 0 : split_words(line, words);
  if (count == 0) return false;
  for (size_t i = 0; i < sizeof kCommands / sizeof *kCommands; i++) {
    if (strcmp(kCommands[i].word, words[0]) == 0) {
      return kCommands[i].arguments == count - 1 && kCommands[i].run(words + 1);
    }
  }
  return false;
}

void command_run(char *line) {
  if (!run(line)) event("error - EINVAL");
}
