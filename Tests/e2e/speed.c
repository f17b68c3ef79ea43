// The floor of enforcement: asks berthd for CPUs, or makes the same changes to the kernel itself, and prints how long each
// took in microseconds. Static, for machines without a C library.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "speed request SOCKET CPUS NODE TIMES  moves itself onto CPUS through berthd, and back\n"
    "speed writes CPUS NODE TIMES          makes the same changes, each read back\n"
    "speed now                             prints the monotonic time in microseconds\n";

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void fail(const char *what) {
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static char text[65536];

static char *content(const char *path) {
    int fd = open(path, O_RDONLY);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (size < 0) fail(path);
    close(fd);
    text[size] = 0;
    return text;
}

// Writes a line and reads the file back. Answers whether the kernel took it.
static int put(const char *path, const char *line) {
    int fd = open(path, O_WRONLY);
    if (fd < 0) fail(path);
    int taken = write(fd, line, strlen(line)) >= 0;
    close(fd);
    content(path);
    return taken;
}

static void must(const char *path, const char *line) {
    if (!put(path, line)) fail(path);
}

// Before each change: one that follows another at once shares the kernel's grace periods with it.
static void rest(void) { usleep(300000); }

#define GROUPS "/sys/fs/cgroup"
#define SLICE GROUPS "/berth.slice"
#define CLAIMS SLICE "/claims"
#define CLAIM CLAIMS "/speed"

typedef unsigned long long mask;

static mask parse(const char *list) {
    mask set = 0;
    while (*list >= '0') {
        char *end;
        long first = strtol(list, &end, 10), last = first;
        if (*end == '-') last = strtol(end + 1, &end, 10);
        for (long cpu = first; cpu <= last && cpu < 64; cpu++) set |= 1ULL << cpu;
        list = *end == ',' ? end + 1 : end;
    }
    return set;
}

// Writes the CPUs of a mask as a list of single numbers.
static char *list(mask set, char *out) {
    char *at = out;
    for (int cpu = 0; cpu < 64; cpu++)
        if (set >> cpu & 1) at += sprintf(at, at == out ? "%d" : ",%d", cpu);
    *at = 0;
    return out;
}

static struct { char path[300]; mask before; } moved[1024];
static int moves;

// Takes CPUs out of the masks of interrupts and workqueues.
static void clear(mask cpus) {
    static const char *const hexadecimal[] = {"/proc/irq/default_smp_affinity", "/sys/devices/virtual/workqueue/cpumask"};
    char line[300];
    for (int which = 0; which < 2; which++) {
        mask set = strtoull(content(hexadecimal[which]), NULL, 16);
        if (!(set & cpus)) continue;
        sprintf(line, "%llx", set & ~cpus);
        must(hexadecimal[which], line);
    }
    DIR *all = opendir("/proc/irq");
    if (!all) fail("/proc/irq");
    moves = 0;
    for (struct dirent *entry; (entry = readdir(all));) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || moves == 1024) continue;
        sprintf(moved[moves].path, "/proc/irq/%s/smp_affinity_list", entry->d_name);
        mask set = parse(content(moved[moves].path));
        if (!(set & cpus) || !(set & ~cpus)) continue;
        moved[moves].before = set;
        if (put(moved[moves].path, list(set & ~cpus, line))) moves++;
    }
    closedir(all);
}

static void restore(mask cpus) {
    char line[300];
    for (int each = 0; each < moves; each++) put(moved[each].path, list(moved[each].before, line));
    sprintf(line, "%llx", strtoull(content("/proc/irq/default_smp_affinity"), NULL, 16) | cpus);
    must("/proc/irq/default_smp_affinity", line);
    sprintf(line, "%llx", strtoull(content("/sys/devices/virtual/workqueue/cpumask"), NULL, 16) | cpus);
    must("/sys/devices/virtual/workqueue/cpumask", line);
}

static void writes(const char *cpus, const char *node) {
    char self[32];
    sprintf(self, "%d", getpid());
    rest();
    long begin = now();
    if (mkdir(SLICE, 0755)) fail(SLICE);
    if (mkdir(CLAIMS, 0755)) fail(CLAIMS);
    must(GROUPS "/cgroup.subtree_control", "+cpuset");
    must(SLICE "/cgroup.subtree_control", "+cpuset");
    must(CLAIMS "/cgroup.subtree_control", "+cpuset");
    must(SLICE "/cpuset.cpus", cpus);
    must(SLICE "/cpuset.cpus.partition", "root");
    content(SLICE "/cpuset.cpus.effective");
    content(GROUPS "/cpuset.cpus.effective");
    if (mkdir(CLAIM, 0755)) fail(CLAIM);
    must(CLAIM "/cpuset.cpus", cpus);
    must(CLAIM "/cpuset.mems", node);
    content(CLAIM "/cpuset.cpus.effective");
    clear(parse(cpus));
    must(CLAIM "/cgroup.procs", self);
    content("/proc/self/cgroup");
    content("/proc/self/status");
    printf("%ld\n", now() - begin);
    must(GROUPS "/cgroup.procs", self);
    restore(parse(cpus));
    rmdir(CLAIM);
    must(SLICE "/cpuset.cpus.partition", "member");
    rmdir(CLAIMS);
    rmdir(SLICE);
}

// Sends a request on a connection that is kept, and waits for the whole answer.
static void ask(int link, const char *method, const char *body, const char *expected) {
    char request[1024];
    int size = sprintf(request,
                       "%s /v1/claims/run/speed HTTP/1.1\r\nHost: berth\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s", method, strlen(body), body);
    if (send(link, request, (size_t)size, 0) != size) fail("send");
    size_t got = 0;
    for (;;) {
        ssize_t count = recv(link, text + got, sizeof text - 1 - got, 0);
        if (count <= 0) fail("recv");
        text[got += (size_t)count] = 0;
        char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
        if (end && length && got >= (size_t)(end + 4 - text) + strtoul(length + 15, NULL, 10)) break;
    }
    if (strncmp(text, expected, strlen(expected))) {
        printf("%s: %s\n", method, text);
        exit(1);
    }
}

int main(int count, char **words) {
    if (count == 2 && strcmp(words[1], "now") == 0) {
        printf("%ld\n", now());
    } else if (count == 6 && strcmp(words[1], "request") == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strncpy(address.sun_path, words[2], sizeof address.sun_path - 1);
        int link = socket(AF_UNIX, SOCK_STREAM, 0);
        if (link < 0 || connect(link, (struct sockaddr *)&address, sizeof address)) fail(words[2]);
        char body[512];
        sprintf(body, "{\"cpus\":{\"list\":\"%s\",\"pool\":\"ordinary\"},\"memory_nodes\":[%s],\"lease\":{\"process\":true},"
                      "\"enforcement\":{\"minimum\":\"partition\",\"process\":\"self\"}}", words[3], words[4]);
        // The connection is there before the first change.
        ask(link, "GET", "", "HTTP/1.1 404");
        for (long left = strtol(words[5], NULL, 10); left > 0; left--) {
            rest();
            long begin = now();
            ask(link, "PUT", body, "HTTP/1.1 20");
            printf("%ld\n", now() - begin);
            ask(link, "DELETE", "", "HTTP/1.1 20");
        }
    } else if (count == 5 && strcmp(words[1], "writes") == 0) {
        for (long left = strtol(words[4], NULL, 10); left > 0; left--) writes(words[2], words[3]);
    } else {
        fputs(usage, stderr);
        return 2;
    }
    return 0;
}
