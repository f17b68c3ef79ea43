// A program that never wants to wait, such as one that polls a network card, and the load beside it.
//
//   latency load THREADS SECONDS      keeps so many threads busy
//   latency poll SECONDS              polls the clock, then prints one JSON line:
//
// "share": the share of the time in which it had a CPU; "waited_ms": how long it was ready to run and had none, for each
// second (/proc/self/schedstat); "put_aside": how often for each second the kernel took the CPU from it; "longest_us" and
// "p99_9_us": the longest of its gaps, and the one in a thousand loops of 100 µs, by its own clock; "cpus": those it ran on.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { most_seconds = 600, most_threads = 256, slots = most_seconds * 10000 };

static int64_t clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static long number(const char *text, long most) {
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text || value < 1 || value > most) {
        fprintf(stderr, "latency: %s: not a number from 1 to %ld\n", text, most);
        exit(2);
    }
    return value;
}

static int64_t until;

static void *busy(void *nothing) {
    while (clock_ns(CLOCK_MONOTONIC) < until)
        for (volatile int i = 0; i < 100000; i++) {}
    return nothing;
}

/// How long this thread has been ready to run without a CPU, in ns.
static int64_t waited(void) {
    long long ran = 0, wait = 0;
    FILE *file = fopen("/proc/self/schedstat", "r");
    if (!file || fscanf(file, "%lld %lld", &ran, &wait) != 2) {
        fprintf(stderr, "latency: cannot read /proc/self/schedstat\n");
        exit(1);
    }
    fclose(file);
    return wait;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void poll_clock(double seconds) {
    // The longest gap of each tenth of a millisecond.
    uint32_t *longest = calloc(slots, sizeof *longest);
    if (!longest) exit(1);
    struct rusage before, after;
    cpu_set_t seen;
    CPU_ZERO(&seen);
    getrusage(RUSAGE_SELF, &before);
    int64_t wait = waited(), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), begin = clock_ns(CLOCK_MONOTONIC), last = begin;
    for (int64_t end = begin + (int64_t)(seconds * 1e9); last < end;) {
        int64_t now = clock_ns(CLOCK_MONOTONIC), gap = now - last;
        size_t slot = (size_t)((now - begin) / 100000);
        if (slot < slots && gap > longest[slot]) longest[slot] = gap < UINT32_MAX ? (uint32_t)gap : UINT32_MAX;
        CPU_SET(sched_getcpu(), &seen);
        last = now;
    }
    double took = (double)(last - begin) / 1e9;
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wait = waited() - wait;
    getrusage(RUSAGE_SELF, &after);
    size_t used = 0;
    // Slots that fell into a gap have none of their own.
    for (size_t i = 0; i < slots; i++) if (longest[i]) longest[used++] = longest[i];
    qsort(longest, used, sizeof *longest, ascending);
    printf("{\"share\":%.4f,\"waited_ms\":%.3f,\"put_aside\":%.1f,\"longest_us\":%.1f,\"p99_9_us\":%.1f,\"cpus\":\"",
           (double)cpu / 1e9 / took, (double)wait / 1e6 / took, (double)(after.ru_nivcsw - before.ru_nivcsw) / took,
           used ? longest[used - 1] / 1e3 : 0, used ? longest[used - 1 - used / 1000] / 1e3 : 0);
    const char *comma = "";
    for (int c = 0; c < CPU_SETSIZE; c++) {
        if (!CPU_ISSET(c, &seen)) continue;
        printf("%s%d", comma, c);
        comma = ",";
    }
    printf("\"}\n");
    free(longest);
}

int main(int count, char **words) {
    if (count == 4 && strcmp(words[1], "load") == 0) {
        long threads = number(words[2], most_threads);
        until = clock_ns(CLOCK_MONOTONIC) + number(words[3], most_seconds) * 1000000000;
        pthread_t all[most_threads];
        for (long i = 0; i < threads; i++)
            if (pthread_create(&all[i], NULL, busy, NULL)) return 1;
        for (long i = 0; i < threads; i++) pthread_join(all[i], NULL);
        return 0;
    }
    if (count == 3 && strcmp(words[1], "poll") == 0) {
        poll_clock((double)number(words[2], most_seconds));
        return 0;
    }
    fprintf(stderr, "usage: latency load THREADS SECONDS | latency poll SECONDS\n");
    return 2;
}
