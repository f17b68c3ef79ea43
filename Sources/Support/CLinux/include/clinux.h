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

/// What a descriptor is, as far as writing to it goes.
typedef enum { clinux_file, clinux_socket, clinux_other } clinux_kind;

/// What `fd` is. To be asked once and not for each write: where it has been asked, the next write to a file gives it a new
/// time of change, and through it every file on the machine (multigrain timestamps, Linux 6.13).
clinux_kind clinux_kind_of(int fd);

/// Writes without waiting: 0 bytes where the descriptor is not ready, whatever its flags are.
ssize_t clinux_write_ready(int fd, clinux_kind kind, const void *bytes, size_t count);

/// A connected Unix stream socket (close-on-exec), or -1. Where the listener's queue is full it waits at most so long (1 and
/// more), and errno is then EAGAIN.
int clinux_connect_within(const char *path, int milliseconds);

/// A Unix stream socket (close-on-exec, not blocking) bound to `path`, whose file nobody may use yet (mode 0), or -1.
int clinux_bind(const char *path);

/// Sends one datagram to the Unix socket at `path`; a leading '@' stands for the abstract namespace. Waits
/// for a receiver whose queue is full, at most a second.
int clinux_send_datagram(const char *path, const void *bytes, size_t count);

/// Readiness of a descriptor: `token` is what was registered with it.
typedef struct {
    uint64_t token;
    int readable; ///< there is input, or its end
    int writable;
    int broken; ///< the other end is gone
} clinux_ready;

/// An epoll descriptor (close-on-exec).
int clinux_epoll_create(void);

/// Watches `fd` for input, or for room to write. With `exclusive` only one of several epoll descriptors is woken.
int clinux_epoll_add(int epoll, int fd, uint64_t token, int writing, int exclusive);

/// Watches `fd` for events of its own kind (EPOLLPRI), as the kernel's files in cgroupfs and sysfs report a change: it is
/// readable then, until it is read again from its beginning.
int clinux_epoll_add_urgent(int epoll, int fd, uint64_t token);

/// Watches `fd` for room to write in place of input, or the other way round.
int clinux_epoll_change(int epoll, int fd, uint64_t token, int writing);

/// Watches `fd` no more.
int clinux_epoll_remove(int epoll, int fd);

/// Waits at most `milliseconds` (-1: for ever). Answers how many of `ready` were filled in; 0 where a signal came.
int clinux_epoll_wait(int epoll, clinux_ready *ready, int capacity, int milliseconds);

/// An event counter (close-on-exec, not blocking), for waking a thread that waits in epoll.
int clinux_event_create(void);

/// A descriptor of a process (close-on-exec), which is readable once the process has ended. errno is ESRCH where there is none
/// of this id; EINVAL, or ENOENT from Linux 6.16, where the id is that of a thread.
int clinux_pidfd_open(int32_t pid);

/// The next connection (close-on-exec, not blocking), or -1.
int clinux_accept(int listener);

/// Which file `path` names: device and inode, links not followed. Asks for nothing else, above all not for times: a file
/// whose time of change somebody has read gets a new one with every write (multigrain timestamps, Linux 6.13), and a sync of
/// its data then writes its inode too, which costs half as much again.
int clinux_file_identity(const char *path, uint64_t *device, uint64_t *inode);

/// Asks for the processor in turns of `nanoseconds` for the thread that calls (sched_setattr(2)), which needs no privilege: a
/// thread that works little and waits often then goes first when it wakes (Linux 6.12 and later; without effect before).
int clinux_prefer_short_turns(uint64_t nanoseconds);

/// Names the thread that calls, for `top -H` and the like: 15 bytes of it (PR_SET_NAME of prctl(2)).
void clinux_name_thread(const char *name);

/// Sets the CPUs that a thread may run on (sched_setaffinity(2)): a mask of `words` words, CPU 0 in the lowest bit of the first.
int clinux_set_affinity(int32_t thread, const uint64_t *mask, size_t words);

/// The CPUs that a thread may run on (sched_getaffinity(2)), into a mask of `words` words. Answers how many bytes were written.
ssize_t clinux_get_affinity(int32_t thread, uint64_t *mask, size_t words);

#endif
