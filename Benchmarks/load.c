// The load: clients that each do what the real EPA client does, over and over: connect, one send, read the
// whole reply (until the server closes), close.
//
//   load --socket PATH --request TEXT [--clients N] [--requests N] [--seconds S]
//        [--modulo M] [--base B] [--stalled N]
//   load --socket PATH --http TARGET [--clients N] [--requests N] [--seconds S]
//
// With --http each client keeps one connection and sends GET requests over it; a reply is right if its status is 200.
//
// In TEXT, %d is B + k % M where k counts a client's requests from 0, %c the client's number from 0, and %% a
// percent sign. The run ends after N requests in all or S seconds, whichever is first; both have bounds.
// --stalled holds N more connections meanwhile, of which every other one sent half a request and the rest
// nothing; one that the server closes is opened again.
//
// Prints one JSON line. Latencies run from before connect until the end of the reply. `errors` are requests
// without a whole JSON object as reply; `refusals` are replies whose first member after the version is `error`.
// Exit status: 0, also when there were errors; 1 when it could not run; 3 when a client hung.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    most_clients = 256,
    most_stalled = 4096,
    most_requests = 5000000,
    most_seconds = 600,
    most_text = 4096,
    most_reply = 1 << 20,
    grace_seconds = 15,  // how long after its end a run may wait for replies still missing
    head = 48,           // an error reply has its "error" within so many bytes
    shown = 160,         // bytes kept of the first reply that is not a success
};

typedef struct {
    pthread_t thread;
    int number;
    uint32_t *latencies;  // ns, `done` of them
    long done, errors, refusals, bytes;
    char complaint[shown + 1];
} client_t;

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static const char *request, *target;
static long clients = 1, requests = most_requests, modulo = 1000000, base, stalled;
static double seconds = 10;
static int64_t deadline;
static atomic_long taken;
static atomic_bool over;
static pthread_barrier_t start;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void stop(int status, const char *what, const char *why) {
    fprintf(stderr, "load: %s: %s\n", what, why);
    exit(status);
}

static int connected(void) {
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s >= 0 && connect(s, (struct sockaddr *)&address, sizeof address) == 0) return s;
    int why = errno;
    if (s >= 0) close(s);
    errno = why;
    return -1;
}

/// Writes the request with its %d, %c and %% filled in; returns its length.
static size_t filled(char *text, int client, long turn) {
    size_t length = 0;
    for (const char *p = request; *p && length < most_text - 32; p++) {
        if (*p != '%' || p[1] == 0) {
            text[length++] = *p;
            continue;
        }
        p++;
        if (*p == 'd') length += (size_t)sprintf(text + length, "%ld", base + turn % modulo);
        else if (*p == 'c') length += (size_t)sprintf(text + length, "%d", client);
        else text[length++] = *p;
    }
    return length;
}

/// One request on one connection. Returns the length of the reply, or -1 with errno.
static ssize_t exchange(const char *text, size_t length, char *reply) {
    int s = connected();
    if (s < 0) return -1;
    size_t have = 0;
    ssize_t got = send(s, text, length, MSG_NOSIGNAL);
    if (got == (ssize_t)length)
        while ((got = recv(s, reply + have, most_reply - have, 0)) > 0) have += (size_t)got;
    int why = errno;
    close(s);
    errno = why;
    return got == 0 ? (ssize_t)have : -1;
}

/// One request on a kept connection, which is opened where `*s` is -1. Returns the length of the reply, or -1 with errno.
static ssize_t exchange_kept(int *s, const char *text, size_t length, char *reply) {
    if (*s < 0 && (*s = connected()) < 0) return -1;
    ssize_t got = send(*s, text, length, MSG_NOSIGNAL);
    size_t have = 0, whole = 0;
    while (got > 0 && (whole == 0 || have < whole)) {
        got = recv(*s, reply + have, most_reply - 1 - have, 0);
        if (got <= 0) break;
        have += (size_t)got;
        reply[have] = 0;
        const char *end = whole ? NULL : strstr(reply, "\r\n\r\n"), *size = end ? strcasestr(reply, "content-length:") : NULL;
        if (size && size < end) whole = (size_t)(end + 4 - reply) + strtoul(size + 15, NULL, 10);
        if (whole >= most_reply) break;
    }
    if (whole && have == whole) return (ssize_t)have;
    int why = got < 0 ? errno : EPROTO;
    close(*s);
    *s = -1;
    errno = why;
    return -1;
}

static void complain(client_t *me, const char *text, size_t length) {
    if (me->complaint[0]) return;
    length = length < shown ? length : shown;
    memcpy(me->complaint, text, length);
    me->complaint[length] = 0;
}

/// Judges a reply outside the time that counts.
static void judge(client_t *me, const char *reply, ssize_t length) {
    if (length < 0) {
        me->errors++;
        complain(me, strerror(errno), strlen(strerror(errno)));
        return;
    }
    me->bytes += length;
    if (target) {
        if (strncmp(reply, "HTTP/1.1 200 ", 13) == 0) return;
        me->refusals++;
        complain(me, reply, (size_t)length);
        return;
    }
    if (length < 2 || reply[0] != '{' || reply[length - 1] != '}') {
        me->errors++;
        if (length == 0) complain(me, "empty reply", 11);
        else complain(me, reply, (size_t)length);
    } else if (memmem(reply, length < head ? (size_t)length : head, "\"error\"", 7)) {
        me->refusals++;
        complain(me, reply, (size_t)length);
    }
}

static void *client_main(void *argument) {
    client_t *me = argument;
    char text[most_text];
    char *reply = malloc(most_reply);
    int kept = -1;
    if (reply == NULL) stop(1, "malloc", strerror(errno));
    pthread_barrier_wait(&start);
    for (long turn = 0; now() < deadline && atomic_fetch_add(&taken, 1) < requests; turn++) {
        size_t length = target ? (size_t)sprintf(text, "GET %s HTTP/1.1\r\nHost: load\r\n\r\n", target)
                               : filled(text, me->number, turn);
        int64_t begin = now();
        ssize_t got = target ? exchange_kept(&kept, text, length, reply) : exchange(text, length, reply);
        int64_t took = now() - begin;
        me->latencies[me->done++] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
        judge(me, reply, got);
    }
    if (kept >= 0) close(kept);
    free(reply);
    return NULL;
}

/// What the holder of the stalled connections counts.
static struct {
    pthread_t thread;
    int poll;
    long opened, held;
} idle;

static void open_stalled(long which) {
    int s = connected();
    if (s < 0) stop(1, "stalled connection", strerror(errno));
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u64 = (uint64_t)s << 32 | (uint64_t)which};
    if (which % 2) (void)!send(s, request, strlen(request) / 2, MSG_NOSIGNAL);
    if (epoll_ctl(idle.poll, EPOLL_CTL_ADD, s, &event) != 0) stop(1, "epoll_ctl", strerror(errno));
    idle.opened++;
}

/// Keeps the stalled connections at their number until the run is over.
static void *idle_main(void *nothing) {
    struct epoll_event events[64];
    while (!atomic_load(&over)) {
        int ready = epoll_wait(idle.poll, events, 64, 50);
        for (int i = 0; i < ready && !atomic_load(&over); i++) {
            close((int)(events[i].data.u64 >> 32));
            open_stalled((long)(events[i].data.u64 & UINT32_MAX));
        }
    }
    int ready = epoll_wait(idle.poll, events, 64, 0);
    idle.held = stalled - (ready > 0 ? ready : 0);
    return nothing;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_text(const char *text) {
    putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') printf("\\%c", c);
        else if (c < 0x20 || c > 0x7e) printf("\\u%04x", c);
        else putchar(c);
    }
    putchar('"');
}

/// Merges the clients' figures and prints them.
static void report(client_t *all, double elapsed) {
    long done = 0, errors = 0, refusals = 0, bytes = 0;
    const char *complaint = "";
    for (long i = 0; i < clients; i++) done += all[i].done;
    uint32_t *sorted = malloc((size_t)(done ? done : 1) * sizeof *sorted);
    if (sorted == NULL) stop(1, "malloc", strerror(errno));
    long at = 0;
    for (long i = 0; i < clients; i++) {
        memcpy(sorted + at, all[i].latencies, (size_t)all[i].done * sizeof *sorted);
        at += all[i].done;
        errors += all[i].errors;
        refusals += all[i].refusals;
        bytes += all[i].bytes;
        if (!complaint[0]) complaint = all[i].complaint;
    }
    qsort(sorted, (size_t)done, sizeof *sorted, ascending);
    double p50 = done ? sorted[done / 2] / 1000.0 : 0, p99 = done ? sorted[done * 99 / 100] / 1000.0 : 0;
    printf("{\"clients\":%ld,\"requests\":%ld,\"errors\":%ld,\"refusals\":%ld,\"elapsed_s\":%.6f,\"per_second\":%.1f,"
           "\"p50_us\":%.2f,\"p99_us\":%.2f,\"reply_bytes\":%.1f,\"stalled_held\":%ld,\"stalled_reopened\":%ld,"
           "\"complaint\":",
           clients, done, errors, refusals, elapsed, elapsed > 0 ? (double)done / elapsed : 0, p50, p99,
           done ? (double)bytes / (double)done : 0, idle.held, stalled ? idle.opened - stalled : 0);
    print_text(complaint);
    printf("}\n");
    free(sorted);
}

static long number(const char *option, const char *text, long least, long most) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *text == 0 || *end || value < least || value > most) {
        fprintf(stderr, "load: %s %s: not a number from %ld to %ld\n", option, text, least, most);
        exit(2);
    }
    return value;
}

static void read_options(int count, char **words) {
    const char *path = NULL;
    for (int i = 1; i < count; i += 2) {
        const char *o = words[i], *v = i + 1 < count ? words[i + 1] : NULL;
        if (v == NULL) stop(2, o, "has no value");
        if (strcmp(o, "--socket") == 0) path = v;
        else if (strcmp(o, "--request") == 0) request = v;
        else if (strcmp(o, "--http") == 0) target = v;
        else if (strcmp(o, "--clients") == 0) clients = number(o, v, 1, most_clients);
        else if (strcmp(o, "--requests") == 0) requests = number(o, v, 1, most_requests);
        else if (strcmp(o, "--modulo") == 0) modulo = number(o, v, 1, 1000000000);
        else if (strcmp(o, "--base") == 0) base = number(o, v, 0, 1000000000);
        else if (strcmp(o, "--stalled") == 0) stalled = number(o, v, 0, most_stalled);
        else if (strcmp(o, "--seconds") == 0) {
            char *end;
            seconds = strtod(v, &end);
            if (*end || !(seconds > 0 && seconds <= most_seconds)) stop(2, v, "not seconds from 0 to 600");
        } else stop(2, o, "unknown option");
    }
    if (path == NULL || (request == NULL) == (target == NULL))
        stop(2, "usage", "--socket PATH, --request TEXT or --http TARGET, and options, see load.c");
    if (target && (stalled || strlen(target) > most_text / 2)) stop(2, "--http", "too long, or with --stalled");
    if (target) request = "";
    if (strlen(path) >= sizeof address.sun_path) stop(2, path, "longer than a socket path may be");
    if (strlen(request) > most_text / 2) stop(2, "--request", "longer than 2048 bytes");
    strcpy(address.sun_path, path);
}

int main(int count, char **words) {
    read_options(count, words);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    client_t *all = calloc((size_t)clients, sizeof *all);
    if (all == NULL) stop(1, "calloc", strerror(errno));
    pthread_barrier_init(&start, NULL, (unsigned)clients + 1);

    if (stalled) {
        if ((idle.poll = epoll_create1(EPOLL_CLOEXEC)) < 0) stop(1, "epoll_create1", strerror(errno));
        for (long i = 0; i < stalled; i++) open_stalled(i);
        if (pthread_create(&idle.thread, NULL, idle_main, NULL) != 0) stop(1, "pthread_create", strerror(errno));
        usleep(100000);  // the server takes them in before anything is measured
    }
    for (long i = 0; i < clients; i++) {
        all[i].number = (int)i;
        // Reserved, not resident: pages count once they are written.
        all[i].latencies = malloc((size_t)requests * sizeof(uint32_t));
        if (all[i].latencies == NULL) stop(1, "malloc", strerror(errno));
        if (pthread_create(&all[i].thread, NULL, client_main, &all[i]) != 0) stop(1, "pthread_create", strerror(errno));
    }
    int64_t begin = now();
    deadline = begin + (int64_t)(seconds * 1e9);
    pthread_barrier_wait(&start);

    struct timespec last;
    clock_gettime(CLOCK_REALTIME, &last);
    last.tv_sec += (time_t)seconds + 1 + grace_seconds;
    for (long i = 0; i < clients; i++)
        if (pthread_timedjoin_np(all[i].thread, NULL, &last) != 0) stop(3, "a client hangs", "no end of reply in time");
    double elapsed = (double)(now() - begin) / 1e9;
    atomic_store(&over, 1);
    if (stalled) pthread_join(idle.thread, NULL);
    report(all, elapsed);
    return 0;
}
