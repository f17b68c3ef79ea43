#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// System calls and socket options that Glibc's Swift module hides. All answer -1 with errno set where they fail.

/// Who is at the other end of a Unix socket (SO_PEERCRED).
typedef struct {
    int32_t pid;
    uint32_t uid;
    uint32_t gid;
} clinux_peer;

int clinux_peer_credentials(int fd, clinux_peer *peer);

/// The supplementary groups of the peer (SO_PEERGROUPS). Answers their number, which may be more than `capacity`: then
/// nothing was written and errno is ERANGE.
int clinux_peer_groups(int fd, uint32_t *groups, int capacity);

/// The security label of the peer (SO_PEERSEC), without its final NUL. Answers its length; errno is ENOPROTOOPT where no
/// security module is active.
int clinux_peer_label(int fd, char *label, int capacity);

/// Writes without waiting: 0 bytes where the descriptor is not ready, whatever its flags are.
ssize_t clinux_write_ready(int fd, const void *bytes, size_t count);

/// A connected Unix stream socket (close-on-exec), or -1.
int clinux_connect(const char *path);

/// A Unix stream socket (close-on-exec, not blocking) bound to `path`, whose file nobody may use yet (mode 0), or -1.
int clinux_bind(const char *path);

/// Sends one datagram to the Unix socket at `path`; a leading '@' stands for the abstract namespace. Waits
/// for a receiver whose queue is full, at most a second.
int clinux_send_datagram(const char *path, const void *bytes, size_t count);

#endif
