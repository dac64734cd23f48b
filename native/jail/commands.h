// The parent's commands.
#ifndef XTP_JAIL_COMMANDS_H_
#define XTP_JAIL_COMMANDS_H_

// One line without its line feed; NULL for one that is no line of the
// protocol.
void command_run(char *line);

#endif  // XTP_JAIL_COMMANDS_H_
