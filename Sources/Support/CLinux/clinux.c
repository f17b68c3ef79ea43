#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

int clinux_peer_credentials(int fd, clinux_peer *peer) {
    struct ucred found;
    socklen_t length = sizeof found;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &found, &length) != 0) return -1;
    peer->pid = found.pid;
    peer->uid = found.uid;
    peer->gid = found.gid;
    return 0;
}

int clinux_peer_groups(int fd, uint32_t *groups, int capacity) {
    _Static_assert(sizeof(gid_t) == sizeof(uint32_t), "group ids are 32 bits wide");
    socklen_t length = (socklen_t)capacity * sizeof(gid_t);
    int result = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length);
    if (result != 0 && errno != ERANGE) return -1;
    return (int)(length / sizeof(gid_t));
}

int clinux_peer_label(int fd, char *label, int capacity) {
    socklen_t length = (socklen_t)capacity;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label, &length) != 0) return -1;
    while (length > 0 && label[length - 1] == 0) length--;
    return (int)length;
}

clinux_kind clinux_kind_of(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) return clinux_other;
    return S_ISREG(status.st_mode) ? clinux_file : S_ISSOCK(status.st_mode) ? clinux_socket : clinux_other;
}

ssize_t clinux_write_ready(int fd, clinux_kind kind, const void *bytes, size_t count) {
    ssize_t written;
    if (kind == clinux_socket) {
        written = send(fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else if (kind == clinux_file) {
        written = write(fd, bytes, count);
    } else {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        int polled = poll(&ready, 1, 0);
        if (polled < 0) return errno == EINTR ? 0 : -1;
        if (polled == 0) return 0;
        if (ready.revents & (POLLERR | POLLNVAL)) {
            errno = EPIPE;
            return -1;
        }
        // A ready pipe takes at least PIPE_BUF (4,096) bytes without waiting.
        written = write(fd, bytes, count < 4096 ? count : 4096);
    }
    return written < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : written;
}

/// Fills `address` for `path`; answers its length, or 0 where the path is too long.
static socklen_t unix_address(struct sockaddr_un *address, const char *path) {
    size_t length = strlen(path);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (length == 0 || length >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return 0;
    }
    memcpy(address->sun_path, path, length);
    if (path[0] != '@') return sizeof *address;
    address->sun_path[0] = 0;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int close_with_error(int fd) {
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int clinux_connect_within(const char *path, int milliseconds) {
    struct sockaddr_un address;
    socklen_t length = unix_address(&address, path);
    if (length == 0) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    // Connecting to a Unix socket waits by the time limit of sending; zero waits for ever.
    struct timeval limit = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) return close_with_error(fd);
    return connect(fd, (struct sockaddr *)&address, length) == 0 ? fd : close_with_error(fd);
}

int clinux_bind(const char *path) {
    struct sockaddr_un address;
    socklen_t length = unix_address(&address, path);
    if (length == 0) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    // The file gets the mode of the socket's own inode (Linux, unix_bind_bsd): no need to change the process's umask, which
    // every thread and every child would see.
    if (fchmod(fd, 0) != 0 || bind(fd, (struct sockaddr *)&address, length) != 0) return close_with_error(fd);
    return fd;
}

int clinux_send_datagram(const char *path, const void *bytes, size_t count) {
    struct sockaddr_un address;
    socklen_t length = unix_address(&address, path);
    if (length == 0) return -1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    // The queue of a receiver that does not read fills up: no more than a second is spent on it.
    struct timeval limit = {.tv_sec = 1};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (sendto(fd, bytes, count, MSG_NOSIGNAL, (struct sockaddr *)&address, length) < 0) return close_with_error(fd);
    return close(fd);
}

int clinux_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static int epoll_set(int epoll, int operation, int fd, uint64_t token, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(epoll, operation, fd, &event);
}

int clinux_epoll_add(int epoll, int fd, uint64_t token, int writing, int exclusive) {
    return epoll_set(epoll, EPOLL_CTL_ADD, fd, token, (writing ? EPOLLOUT : EPOLLIN) | (exclusive ? EPOLLEXCLUSIVE : 0));
}

int clinux_epoll_add_urgent(int epoll, int fd, uint64_t token) {
    return epoll_set(epoll, EPOLL_CTL_ADD, fd, token, EPOLLPRI);
}

int clinux_epoll_change(int epoll, int fd, uint64_t token, int writing) {
    return epoll_set(epoll, EPOLL_CTL_MOD, fd, token, writing ? EPOLLOUT : EPOLLIN);
}

int clinux_epoll_remove(int epoll, int fd) { return epoll_set(epoll, EPOLL_CTL_DEL, fd, 0, 0); }

int clinux_epoll_wait(int epoll, clinux_ready *ready, int capacity, int milliseconds) {
    struct epoll_event events[64];
    int count = epoll_wait(epoll, events, capacity < 64 ? capacity : 64, milliseconds);
    if (count < 0) return errno == EINTR ? 0 : -1;
    for (int i = 0; i < count; i++) {
        uint32_t flags = events[i].events;
        ready[i].token = events[i].data.u64;
        ready[i].readable = (flags & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
        ready[i].writable = (flags & EPOLLOUT) != 0;
        ready[i].broken = (flags & (EPOLLHUP | EPOLLERR)) != 0;
    }
    return count;
}

int clinux_event_create(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

int clinux_pidfd_open(int32_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int clinux_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); }

int clinux_file_identity(const char *path, uint64_t *device, uint64_t *inode) {
    struct statx found;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO, &found) != 0) return -1;
    *device = makedev(found.stx_dev_major, found.stx_dev_minor);
    *inode = found.stx_ino;
    return 0;
}

// As the kernel has it (struct sched_attr, its first version); Debian 12's C library does not know it.
typedef struct {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime;
    uint64_t deadline;
    uint64_t period;
} scheduling;

int clinux_prefer_short_turns(uint64_t nanoseconds) {
    scheduling attributes = {0};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return -1;
    if (attributes.policy != 0) { // SCHED_OTHER: for others the field means something else.
        errno = EINVAL;
        return -1;
    }
    attributes.size = sizeof attributes;
    attributes.runtime = nanoseconds;
    return (int)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void clinux_name_thread(const char *name) { prctl(PR_SET_NAME, name); }

int clinux_set_affinity(int32_t thread, const uint64_t *mask, size_t words) {
    return (int)syscall(SYS_sched_setaffinity, thread, words * sizeof *mask, mask);
}

ssize_t clinux_get_affinity(int32_t thread, uint64_t *mask, size_t words) {
    return syscall(SYS_sched_getaffinity, thread, words * sizeof *mask, mask);
}
