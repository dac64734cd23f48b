// The line protocol's grammar (spec/xtp-jail.md, section Lines).
#include "lines.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

void lines_feed(struct line_reader *reader, const char *bytes, size_t count,
                line_handler handle) {
  for (size_t i = 0; i < count; i++) {
    const char byte = bytes[i];
    if (byte == '\n') {
      reader->bytes[reader->used] = '\0';
      handle(reader->bad ? NULL : reader->bytes);
      reader->used = 0;
      reader->bad = false;
    } else if (byte < ' ' || byte > '~' || reader->used == MAX_LINE_BYTES - 1) {
      reader->bad = true;
    } else {
      reader->bytes[reader->used++] = byte;
    }
  }
}

int split_words(char *line, char *words[MAX_WORDS]) {
  int count = 0;
  for (char *word; (word = strsep(&line, " ")) != NULL; words[count++] = word) {
    if (count == MAX_WORDS || *word == '\0') return 0;
  }
  return count;
}

bool parse_number(const char *word, uint64_t least, uint64_t most,
                  uint64_t *value) {
  const size_t digits = strspn(word, "0123456789");
  if (digits == 0 || word[digits] != '\0' || (*word == '0' && digits > 1)) {
    return false;
  }
  errno = 0;
  *value = strtoull(word, NULL, 10);
  return errno == 0 && *value >= least && *value <= most;
}

bool is_id(const char *word) {
  const size_t length = strlen(word);
  return length > 0 && length <= MAX_ID_BYTES &&
         strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

int parse_level(const char *word) {
  const bool one_digit = word[0] == 'L' && word[1] != '\0' && word[2] == '\0';
  return one_digit && strchr("0234", word[1]) != NULL ? word[1] - '0' : -1;
}

int parse_address(const char *family, char *word, uint16_t port,
                  union socket_address *address) {
  memset(address, 0, sizeof *address);
  // at the same place in both families
  address->v4.sin_port = htons(port);
  if (strcmp(family, "udp4") == 0) {
    address->v4.sin_family = AF_INET;
    return inet_pton(AF_INET, word, &address->v4.sin_addr) == 1 ? 0 : EINVAL;
  }
  char *zone = word;
  word = strsep(&zone, "%");
  address->v6.sin6_family = AF_INET6;
  if (strcmp(family, "udp6") != 0 ||
      inet_pton(AF_INET6, word, &address->v6.sin6_addr) != 1) {
    return EINVAL;
  }
  if (zone == NULL) return 0;
  uint64_t number;
  if (!parse_number(zone, 1, UINT32_MAX, &number)) {
    // not every libc looks at the length
    number = strlen(zone) < IF_NAMESIZE ? if_nametoindex(zone) : 0;
  }
  address->v6.sin6_scope_id = (uint32_t)number;
  return number != 0 ? 0 : ENODEV;
}
