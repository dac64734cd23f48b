// The line protocol's grammar, without I/O: bytes to lines, lines to words,
// words to values. Everything is bounded, and nothing is guessed.
#ifndef XTP_JAIL_LINES_H_
#define XTP_JAIL_LINES_H_

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  MAX_LINE_BYTES = 512,  // with the line feed
  MAX_WORDS = 8,
  MAX_ID_BYTES = 23,
};

// Bytes of a line that is not complete. All zero at the start.
struct line_reader {
  char bytes[MAX_LINE_BYTES];
  size_t used;
  bool bad;  // this line is no line of the protocol: wait for its end
};

// `line` is NULL for a line that is too long or has other bytes.
typedef void (*line_handler)(char *line);

// Calls `handle` for each line that `bytes` completes.
void lines_feed(struct line_reader *reader, const char *bytes, size_t count,
                line_handler handle);

// Splits at single spaces, in place. The number of words; 0 where there are
// more than MAX_WORDS, or an empty one.
int split_words(char *line, char *words[MAX_WORDS]);

// Decimal digits without a leading zero, `least` to `most`.
bool parse_number(const char *word, uint64_t least, uint64_t most,
                  uint64_t *value);

// 1 to MAX_ID_BYTES of a-z 0-9 -.
bool is_id(const char *word);

// 0, 2, 3 or 4; -1 for anything else.
int parse_level(const char *word);

union socket_address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

// "udp4" or "udp6", an IP literal of that family, and a port; IPv6 with a
// zone's name or number behind '%', at which the word is cut. 0, EINVAL, or
// ENODEV for a zone that is not there.
int parse_address(const char *family, char *word, uint16_t port,
                  union socket_address *address);

#endif  // XTP_JAIL_LINES_H_
