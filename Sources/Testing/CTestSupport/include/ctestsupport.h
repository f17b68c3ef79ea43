#ifndef CTESTSUPPORT_H
#define CTESTSUPPORT_H

#include <stdint.h>

/* Connects to a Unix socket as another user: only the calling thread changes its credentials (raw system calls), and takes
   them back. Needs root. Answers the socket, or -1 with errno set. */
int ctest_connect_as(const char *path, uint32_t uid, uint32_t gid, const uint32_t *groups, int count);

/* Opens a pseudo-terminal of so many columns and writes the path of its other end, with a final NUL. Answers the
   descriptor, or -1 with errno set. */
int ctest_open_terminal(int columns, char *path, int capacity);

/* Has a process that is to be spawned begin without the descriptors from `first` on. */
int ctest_close_from(void *file_actions, int first);

#endif
