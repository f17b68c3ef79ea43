// Does to a kernel what programs of a user do, and says what became of it. Static, for machines without a C library.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "probe show                      prints the CPUs and nodes that it may use, its memory policy and its control group\n"
    "probe spin CPUS SECONDS [NAME]  keeps a CPU busy, allowed on CPUS (a list such as 2-3; - leaves that as it is)\n"
    "probe thread CPUS SECONDS NAME  sleeps, beside a thread NAME that keeps a CPU busy, allowed on CPUS\n"
    "probe where SECONDS             keeps a CPU busy, then prints the CPUs that it ran on\n"
    "probe touch NODE MEGABYTES SECONDS  writes to memory bound to NODE (- for any), prints 'touched', sleeps\n"
    "probe huge KILOBYTES COUNT SECONDS  the same with COUNT huge pages of that size\n"
    "probe ask METHOD PATH [BODY]    asks berthd's HTTP API, prints the body of the answer; status 1 if it is refused\n"
    "SECONDS may be 0: for touch and huge at once, else for ever. Status 1 and the reason if the kernel refuses.\n";

static void refuse(const char *what) {
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static long number(const char *text) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *end || end == text || value < 0) {
        fputs(usage, stderr);
        exit(2);
    }
    return value;
}

// Sets the affinity of the calling thread to a list such as 0,2-3.
static void pin(const char *list) {
    if (strcmp(list, "-") == 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const char *rest = list; *rest;) {
        char *end;
        long first = strtol(rest, &end, 10), last = first;
        if (*end == '-') last = strtol(end + 1, &end, 10);
        for (long cpu = first; cpu <= last && cpu < CPU_SETSIZE; cpu++) CPU_SET(cpu, &set);
        rest = *end ? end + 1 : end;
    }
    if (sched_setaffinity(0, sizeof set, &set)) refuse("sched_setaffinity");
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// Keeps the CPU busy; notes the CPUs it runs on if asked to.
static void spin(long seconds, cpu_set_t *seen) {
    for (double end = now() + (double)seconds; !seconds || now() < end;) {
        for (volatile int i = 0; i < 20000; i++) {}
        if (seen) CPU_SET(sched_getcpu(), seen);
    }
}

static void print_cpus(const char *label, const cpu_set_t *set) {
    const char *separator = "";
    printf("%s", label);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, set)) continue;
        int last = cpu;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set)) last++;
        printf(last > cpu ? "%s%d-%d" : "%s%d", separator, cpu, last);
        separator = ",";
        cpu = last;
    }
    printf("\n");
}

// Prints the lines of a file that start with a word.
static void print_lines(const char *path, const char *word) {
    char line[4096];
    FILE *file = fopen(path, "r");
    if (!file) refuse(path);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, word, strlen(word)) == 0) fputs(line, stdout);
    fclose(file);
}

static void show(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) refuse("sched_getaffinity");
    print_cpus("affinity ", &set);
    print_lines("/proc/self/status", "Cpus_allowed_list");
    print_lines("/proc/self/status", "Mems_allowed_list");
    print_lines("/proc/self/cgroup", "");
    int policy = -1;
    unsigned long nodes[16] = {0};
    if (syscall(SYS_get_mempolicy, &policy, nodes, sizeof nodes * 8, NULL, 0UL)) refuse("get_mempolicy");
    printf("policy %d nodes %lx\n", policy, nodes[0]);
}

static struct { const char *cpus, *name; long seconds; } busy;

static void *busy_thread(void *unused) {
    prctl(PR_SET_NAME, busy.name);
    pin(busy.cpus);
    spin(busy.seconds, NULL);
    return unused;
}

// Maps memory, binds it to a node, writes to every page, and holds it for a while.
static void hold(const char *node, size_t size, size_t page, int flags, long seconds) {
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (memory == MAP_FAILED) refuse("mmap");
    if (strcmp(node, "-") != 0) {
        unsigned long nodes[16] = {0};
        long bit = number(node);
        if (bit >= 1024) bit = 1023;
        nodes[bit / 64] = 1UL << (bit % 64);
        if (syscall(SYS_mbind, memory, size, 2 /* MPOL_BIND */, nodes, sizeof nodes * 8, 0)) refuse("mbind");
    }
    for (size_t at = 0; at < size; at += page) memory[at] = 1;
    printf("touched\n");
    fflush(stdout);
    sleep((unsigned)seconds);
}

static int ask(const char *method, const char *path, const char *body) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/berth/berth.sock"};
    int link = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (link < 0 || connect(link, (struct sockaddr *)&address, sizeof address)) refuse("connect");
    dprintf(link, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
            method, path, strlen(body), body);
    static char answer[1 << 20];
    size_t length = 0;
    ssize_t more;
    while (length < sizeof answer - 1 && (more = read(link, answer + length, sizeof answer - 1 - length)) > 0)
        length += (size_t)more;
    const char *content = strstr(answer, "\r\n\r\n");
    puts(content ? content + 4 : answer);
    return length > 9 && answer[9] == '2' ? 0 : 1;
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "";
    if (strcmp(what, "ask") == 0 && (count == 4 || count == 5)) return ask(words[2], words[3], count == 5 ? words[4] : "");
    if (strcmp(what, "show") == 0 && count == 2) {
        show();
    } else if (strcmp(what, "spin") == 0 && (count == 4 || count == 5)) {
        if (count == 5) prctl(PR_SET_NAME, words[4]);
        pin(words[2]);
        spin(number(words[3]), NULL);
    } else if (strcmp(what, "thread") == 0 && count == 5) {
        busy.cpus = words[2], busy.seconds = number(words[3]), busy.name = words[4];
        pthread_t thread;
        if ((errno = pthread_create(&thread, NULL, busy_thread, NULL))) refuse("pthread_create");
        pthread_join(thread, NULL);
    } else if (strcmp(what, "where") == 0 && count == 3) {
        cpu_set_t seen;
        CPU_ZERO(&seen);
        spin(number(words[2]), &seen);
        print_cpus("ran on ", &seen);
    } else if (strcmp(what, "touch") == 0 && count == 5) {
        hold(words[2], (size_t)number(words[3]) << 20, 4096, 0, number(words[4]));
    } else if (strcmp(what, "huge") == 0 && count == 5) {
        size_t kilobytes = (size_t)number(words[2]);
        int flags = MAP_HUGETLB | (int)((unsigned)__builtin_ctzl(kilobytes << 10) << 26 /* MAP_HUGE_SHIFT */);
        hold("-", (kilobytes << 10) * (size_t)number(words[3]), kilobytes << 10, flags, number(words[4]));
    } else {
        fputs(usage, stderr);
        return 2;
    }
    return 0;
}
