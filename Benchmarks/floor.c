// The floor: what a connection per request over a Unix socket costs when nothing is done with it.
// One thread, epoll; reads what came, writes it back, closes. With --fdatasync it also writes 4 KB and
// makes it durable before each reply, one request at a time: the floor of a durable change.
//
//   floor --socket PATH [--fdatasync FILE]
//
// Ends on SIGTERM or SIGINT (removing the socket), or when its parent dies.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { block = 4096, blocks = 1024, backlog = 512, batch = 64, most = 65536 };

static volatile sig_atomic_t ending;

static void end(int signal) {
    (void)signal;
    ending = 1;
}

static void fail(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

/// Opens `path` with every block already written, so that fdatasync never has to commit a new size.
static int prepared(const char *path) {
    char data[block];
    memset(data, 0x5a, sizeof data);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) fail(path);
    for (int i = 0; i < blocks; i++)
        if (pwrite(file, data, block, (off_t)i * block) != block) fail(path);
    if (fsync(file) != 0) fail(path);
    return file;
}

static void make_durable(int file) {
    static char data[block];
    static unsigned long count;
    memcpy(data, &count, sizeof count);
    if (pwrite(file, data, block, (off_t)(count++ % blocks) * block) != block) fail("pwrite");
    if (fdatasync(file) != 0) fail("fdatasync");
}

static int listening(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        fail(path);
    }
    strcpy(address.sun_path, path);
    unlink(path);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&address, sizeof address) != 0 || listen(s, backlog) != 0) fail(path);
    return s;
}

static void watch(int poll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

/// Answers the one request of a connection and closes it.
static void serve(int client, int file) {
    static char buffer[most];
    ssize_t got = recv(client, buffer, sizeof buffer, 0);
    if (got > 0) {
        if (file >= 0) make_durable(file);
        // A client that is gone is no concern of ours.
        (void)!send(client, buffer, (size_t)got, MSG_NOSIGNAL);
    }
    close(client);
}

int main(int count, char **words) {
    const char *path = NULL, *changes = NULL;
    for (int i = 1; i + 1 < count; i += 2) {
        if (strcmp(words[i], "--socket") == 0) path = words[i + 1];
        else if (strcmp(words[i], "--fdatasync") == 0) changes = words[i + 1];
        else path = NULL, count = 0;
    }
    if (path == NULL || count % 2 == 0) {
        fprintf(stderr, "usage: floor --socket PATH [--fdatasync FILE]\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    int file = changes ? prepared(changes) : -1;
    int door = listening(path);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    if (poll < 0) fail("epoll_create1");
    watch(poll, door);
    while (!ending) {
        struct epoll_event events[batch];
        int ready = epoll_wait(poll, events, batch, -1);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd != door) {
                serve(events[i].data.fd, file);
                continue;
            }
            int client = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (client >= 0) watch(poll, client);
        }
    }
    unlink(path);
    return 0;
}
