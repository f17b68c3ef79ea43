#define _GNU_SOURCE
#include "ctestsupport.h"

#include <sys/ioctl.h>
#include <spawn.h>
#include <stdlib.h>
#include <fcntl.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

int ctest_connect_as(const char *path, uint32_t uid, uint32_t gid, const uint32_t *groups, int count) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    gid_t before[64];
    int number = (int)syscall(SYS_getgroups, 64, before);
    int result = -1, saved = 0;
    if (number >= 0 && syscall(SYS_setgroups, count, groups) == 0) {
        if (syscall(SYS_setresgid, -1, gid, -1) == 0) {
            if (syscall(SYS_setresuid, -1, uid, -1) == 0) {
                result = connect(fd, (struct sockaddr *)&address, sizeof address);
                saved = errno;
                syscall(SYS_setresuid, -1, 0, -1);
            } else saved = errno;
            syscall(SYS_setresgid, -1, 0, -1);
        } else saved = errno;
        syscall(SYS_setgroups, number, before);
    } else saved = errno;
    if (result == 0) return fd;
    close(fd);
    errno = saved;
    return -1;
}

int ctest_open_terminal(int columns, char *path, int capacity) {
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0) return -1;
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    if (grantpt(terminal) != 0 || unlockpt(terminal) != 0 || ioctl(terminal, TIOCSWINSZ, &size) != 0
        || ptsname_r(terminal, path, (size_t)capacity) != 0) {
        int saved = errno;
        close(terminal);
        errno = saved;
        return -1;
    }
    return terminal;
}

int ctest_close_from(void *file_actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(file_actions, first);
}
