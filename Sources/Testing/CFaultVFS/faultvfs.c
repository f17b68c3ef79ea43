#include "faultvfs.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KINDS = 6 };

struct faultvfs {
    sqlite3_vfs base;
    sqlite3_vfs *real;
    char *name;
    long counts[KINDS];
    int kinds, code, persistent, partial;
    long nth;
    long crash_nth, crash_bytes;
    int crashed;
    int recording;
    faultvfs_operation *operations;
    long recorded, capacity;
    /* The only part that several threads use. */
    pthread_mutex_t mutex;
    pthread_cond_t released;
    int delay_kinds;
    long delay_milliseconds;
    int waiting;
};

typedef struct {
    sqlite3_file base;
    faultvfs *vfs;
    int which;
    sqlite3_file *real;
} fault_file;

static long count(const faultvfs *vfs, int kinds) {
    long sum = 0;
    for (int i = 0; i < KINDS; i++)
        if (kinds & (1 << i)) sum += vfs->counts[i];
    return sum;
}

static void note(faultvfs *vfs, int kind, int file, long long offset, long long size, const void *bytes) {
    if (!vfs->recording) return;
    if (vfs->recorded == vfs->capacity) {
        long capacity = vfs->capacity ? vfs->capacity * 2 : 256;
        faultvfs_operation *grown = realloc(vfs->operations, (size_t)capacity * sizeof *grown);
        if (!grown) abort();
        vfs->operations = grown;
        vfs->capacity = capacity;
    }
    unsigned char *copy = NULL;
    if (bytes) {
        copy = malloc((size_t)size);
        if (!copy) abort();
        memcpy(copy, bytes, (size_t)size);
    }
    vfs->operations[vfs->recorded++] = (faultvfs_operation){kind, file, offset, size, copy};
}

/* Holds an operation up as long as faultvfs_delay said. */
static void hold(faultvfs *vfs, int kind) {
    pthread_mutex_lock(&vfs->mutex);
    if (vfs->delay_kinds & kind) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += vfs->delay_milliseconds / 1000;
        until.tv_nsec += vfs->delay_milliseconds % 1000 * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        vfs->waiting++;
        int rc = 0;
        while ((vfs->delay_kinds & kind) && rc != ETIMEDOUT)
            rc = vfs->delay_milliseconds < 0 ? pthread_cond_wait(&vfs->released, &vfs->mutex)
                                             : pthread_cond_timedwait(&vfs->released, &vfs->mutex, &until);
        vfs->waiting--;
    }
    pthread_mutex_unlock(&vfs->mutex);
}

/* Counts one operation; SQLITE_OK lets it pass. *allowed: how many bytes of a failing write are still written. */
static int step(faultvfs *vfs, int kind, long size, long *allowed) {
    *allowed = 0;
    hold(vfs, kind);
    for (int i = 0; i < KINDS; i++)
        if (kind == 1 << i) vfs->counts[i]++;
    if (vfs->crashed) return SQLITE_IOERR;
    if (vfs->crash_nth && (kind & FAULTVFS_CHANGES) && count(vfs, FAULTVFS_CHANGES) == vfs->crash_nth) {
        vfs->crashed = 1;
        *allowed = vfs->crash_bytes < size ? vfs->crash_bytes : size;
        return SQLITE_IOERR;
    }
    if (vfs->nth && (kind & vfs->kinds)) {
        long now = count(vfs, vfs->kinds);
        if (now == vfs->nth || (vfs->persistent && now > vfs->nth)) {
            if (vfs->partial) *allowed = size / 2;
            return vfs->code;
        }
    }
    return SQLITE_OK;
}

static int f_close(sqlite3_file *file) {
    fault_file *f = (fault_file *)file;
    return f->real->pMethods ? f->real->pMethods->xClose(f->real) : SQLITE_OK;
}

static int f_read(sqlite3_file *file, void *buffer, int size, sqlite3_int64 offset) {
    fault_file *f = (fault_file *)file;
    long allowed;
    int rc = step(f->vfs, FAULTVFS_READ, size, &allowed);
    return rc != SQLITE_OK ? rc : f->real->pMethods->xRead(f->real, buffer, size, offset);
}

static int f_write(sqlite3_file *file, const void *buffer, int size, sqlite3_int64 offset) {
    fault_file *f = (fault_file *)file;
    long allowed;
    int rc = step(f->vfs, FAULTVFS_WRITE, size, &allowed);
    if (rc != SQLITE_OK) {
        if (allowed > 0) f->real->pMethods->xWrite(f->real, buffer, (int)allowed, offset);
        return rc;
    }
    note(f->vfs, FAULTVFS_WRITE, f->which, offset, size, buffer);
    return f->real->pMethods->xWrite(f->real, buffer, size, offset);
}

static int f_truncate(sqlite3_file *file, sqlite3_int64 size) {
    fault_file *f = (fault_file *)file;
    long allowed;
    int rc = step(f->vfs, FAULTVFS_TRUNCATE, 0, &allowed);
    if (rc != SQLITE_OK) return rc;
    note(f->vfs, FAULTVFS_TRUNCATE, f->which, 0, size, NULL);
    return f->real->pMethods->xTruncate(f->real, size);
}

static int f_sync(sqlite3_file *file, int flags) {
    fault_file *f = (fault_file *)file;
    long allowed;
    int rc = step(f->vfs, FAULTVFS_SYNC, 0, &allowed);
    if (rc != SQLITE_OK) return rc;
    note(f->vfs, FAULTVFS_SYNC, f->which, 0, 0, NULL);
    return f->real->pMethods->xSync(f->real, flags);
}

static int f_file_size(sqlite3_file *file, sqlite3_int64 *size) {
    fault_file *f = (fault_file *)file;
    return f->real->pMethods->xFileSize(f->real, size);
}

static int f_lock(sqlite3_file *file, int level) {
    fault_file *f = (fault_file *)file;
    return f->real->pMethods->xLock(f->real, level);
}

static int f_unlock(sqlite3_file *file, int level) {
    fault_file *f = (fault_file *)file;
    return f->real->pMethods->xUnlock(f->real, level);
}

static int f_check_reserved(sqlite3_file *file, int *out) {
    fault_file *f = (fault_file *)file;
    return f->real->pMethods->xCheckReservedLock(f->real, out);
}

static int f_control(sqlite3_file *file, int op, void *argument) {
    fault_file *f = (fault_file *)file;
    return f->real->pMethods->xFileControl(f->real, op, argument);
}

static int f_sector_size(sqlite3_file *file) {
    fault_file *f = (fault_file *)file;
    return f->real->pMethods->xSectorSize(f->real);
}

static int f_characteristics(sqlite3_file *file) {
    fault_file *f = (fault_file *)file;
    return f->real->pMethods->xDeviceCharacteristics(f->real);
}

/* Version 1: no shared memory, so a connection that is not exclusive cannot use a write-ahead log here. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_file_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_check_reserved,
    .xFileControl = f_control,
    .xSectorSize = f_sector_size,
    .xDeviceCharacteristics = f_characteristics,
};

static int v_open(sqlite3_vfs *base, sqlite3_filename name, sqlite3_file *file, int flags, int *out) {
    faultvfs *vfs = (faultvfs *)base;
    fault_file *f = (fault_file *)file;
    long allowed;
    memset(f, 0, sizeof *f);
    int rc = step(vfs, FAULTVFS_OPEN, 0, &allowed);
    if (rc != SQLITE_OK) return rc;
    f->vfs = vfs;
    f->which = flags & SQLITE_OPEN_MAIN_DB ? FAULTVFS_DATABASE
               : flags & SQLITE_OPEN_WAL   ? FAULTVFS_WAL
                                           : FAULTVFS_OTHER;
    f->real = (sqlite3_file *)(f + 1);
    rc = vfs->real->xOpen(vfs->real, name, f->real, flags, out);
    if (f->real->pMethods) f->base.pMethods = &methods;
    if (rc == SQLITE_OK) note(vfs, FAULTVFS_OPEN, f->which, 0, 0, NULL);
    return rc;
}

static int v_delete(sqlite3_vfs *base, const char *name, int sync) {
    faultvfs *vfs = (faultvfs *)base;
    size_t length = strlen(name);
    int which = length > 4 && strcmp(name + length - 4, "-wal") == 0 ? FAULTVFS_WAL : FAULTVFS_OTHER;
    long allowed;
    int rc = step(vfs, FAULTVFS_DELETE, 0, &allowed);
    if (rc != SQLITE_OK) return rc;
    note(vfs, FAULTVFS_DELETE, which, 0, 0, NULL);
    return vfs->real->xDelete(vfs->real, name, sync);
}

static int v_access(sqlite3_vfs *base, const char *name, int flags, int *out) {
    faultvfs *vfs = (faultvfs *)base;
    return vfs->real->xAccess(vfs->real, name, flags, out);
}

static int v_full_path(sqlite3_vfs *base, const char *name, int size, char *out) {
    faultvfs *vfs = (faultvfs *)base;
    return vfs->real->xFullPathname(vfs->real, name, size, out);
}

static int v_randomness(sqlite3_vfs *base, int size, char *out) {
    faultvfs *vfs = (faultvfs *)base;
    return vfs->real->xRandomness(vfs->real, size, out);
}

static int v_sleep(sqlite3_vfs *base, int microseconds) {
    faultvfs *vfs = (faultvfs *)base;
    return vfs->real->xSleep(vfs->real, microseconds);
}

static int v_time(sqlite3_vfs *base, double *out) {
    faultvfs *vfs = (faultvfs *)base;
    return vfs->real->xCurrentTime(vfs->real, out);
}

static int v_last_error(sqlite3_vfs *base, int size, char *out) {
    faultvfs *vfs = (faultvfs *)base;
    return vfs->real->xGetLastError(vfs->real, size, out);
}

faultvfs *faultvfs_create(const char *name) {
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    faultvfs *vfs = calloc(1, sizeof *vfs);
    if (!real || !vfs) return NULL;
    vfs->real = real;
    vfs->name = strdup(name);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&vfs->mutex, NULL);
    pthread_cond_init(&vfs->released, &attributes);
    pthread_condattr_destroy(&attributes);
    vfs->base = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = (int)sizeof(fault_file) + real->szOsFile,
        .mxPathname = real->mxPathname,
        .zName = vfs->name,
        .xOpen = v_open,
        .xDelete = v_delete,
        .xAccess = v_access,
        .xFullPathname = v_full_path,
        .xRandomness = v_randomness,
        .xSleep = v_sleep,
        .xCurrentTime = v_time,
        .xGetLastError = v_last_error,
    };
    if (sqlite3_vfs_register(&vfs->base, 0) == SQLITE_OK) return vfs;
    free(vfs->name);
    free(vfs);
    return NULL;
}

void faultvfs_destroy(faultvfs *vfs) {
    sqlite3_vfs_unregister(&vfs->base);
    faultvfs_record(vfs, 0);
    for (long i = 0; i < vfs->recorded; i++) free((void *)vfs->operations[i].bytes);
    free(vfs->operations);
    pthread_cond_destroy(&vfs->released);
    pthread_mutex_destroy(&vfs->mutex);
    free(vfs->name);
    free(vfs);
}

void faultvfs_delay(faultvfs *vfs, int kinds, long milliseconds) {
    pthread_mutex_lock(&vfs->mutex);
    vfs->delay_kinds = kinds;
    vfs->delay_milliseconds = milliseconds;
    pthread_cond_broadcast(&vfs->released);
    pthread_mutex_unlock(&vfs->mutex);
}

void faultvfs_release(faultvfs *vfs) { faultvfs_delay(vfs, 0, 0); }

int faultvfs_waiting(faultvfs *vfs) {
    pthread_mutex_lock(&vfs->mutex);
    int waiting = vfs->waiting;
    pthread_mutex_unlock(&vfs->mutex);
    return waiting;
}

void faultvfs_fail(faultvfs *vfs, int kinds, long nth, int code, int persistent, int partial) {
    memset(vfs->counts, 0, sizeof vfs->counts);
    vfs->kinds = kinds;
    vfs->nth = nth;
    vfs->code = code;
    vfs->persistent = persistent;
    vfs->partial = partial;
}

void faultvfs_crash(faultvfs *vfs, long nth, long bytes) {
    memset(vfs->counts, 0, sizeof vfs->counts);
    vfs->crashed = 0;
    vfs->crash_nth = nth;
    vfs->crash_bytes = bytes;
}

long faultvfs_count(const faultvfs *vfs, int kinds) { return count(vfs, kinds); }

void faultvfs_record(faultvfs *vfs, int on) {
    vfs->recording = on;
    if (!on) return;
    for (long i = 0; i < vfs->recorded; i++) free((void *)vfs->operations[i].bytes);
    vfs->recorded = 0;
}

long faultvfs_recorded(const faultvfs *vfs) { return vfs->recorded; }

faultvfs_operation faultvfs_operation_at(const faultvfs *vfs, long index) {
    if (index < 0 || index >= vfs->recorded) return (faultvfs_operation){0};
    return vfs->operations[index];
}
