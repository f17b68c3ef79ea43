#ifndef CFAULTVFS_H
#define CFAULTVFS_H

/* A SQLite VFS over the system's own that counts, fails, delays, cuts and records operations. For tests; one thread at a
   time, except for the functions about delays. */

/* Kinds of operation, to be joined with |. */
enum {
    FAULTVFS_OPEN = 1,
    FAULTVFS_READ = 2,
    FAULTVFS_WRITE = 4,
    FAULTVFS_SYNC = 8,
    FAULTVFS_TRUNCATE = 16,
    FAULTVFS_DELETE = 32,
    FAULTVFS_CHANGES = 4 | 8 | 16 | 32
};

/* Which file an operation is on. */
enum { FAULTVFS_DATABASE = 0, FAULTVFS_WAL = 1, FAULTVFS_OTHER = 2 };

typedef struct faultvfs faultvfs;

/* One recorded operation: size is the length of a write or the new size of a truncation. */
typedef struct {
    int kind;
    int file;
    long long offset;
    long long size;
    const unsigned char *bytes;
} faultvfs_operation;

/* Registers a VFS under the name; NULL where that fails. */
faultvfs *faultvfs_create(const char *name);
/* Unregisters it; no connection may use it any more. */
void faultvfs_destroy(faultvfs *vfs);

/* Fails the nth operation (from 1) of the kinds from now on with the SQLite code, and where persistent is set every later
   one. A failing write writes half of its bytes first where partial is set. nth = 0 ends it. */
void faultvfs_fail(faultvfs *vfs, int kinds, long nth, int code, int persistent, int partial);
/* As if the process died: the nth change (write, sync, truncation, deletion; from 1) from now on is done up to `bytes` bytes if it is
   a write and not at all otherwise; it and every later operation fails. nth = 0 ends it. */
void faultvfs_crash(faultvfs *vfs, long nth, long bytes);
/* A disk that hangs: each operation of the kinds takes so long from now on, or until faultvfs_release where milliseconds is negative. Any
   thread may call these three. */
void faultvfs_delay(faultvfs *vfs, int kinds, long milliseconds);
/* Ends the delay; whatever waits goes on. */
void faultvfs_release(faultvfs *vfs);
/* How many operations are waiting. */
int faultvfs_waiting(faultvfs *vfs);
/* How many operations of the kinds were asked for since the last call of fail or crash. */
long faultvfs_count(const faultvfs *vfs, int kinds);

/* Starts (dropping what was recorded) or stops recording changes and opens. */
void faultvfs_record(faultvfs *vfs, int on);
long faultvfs_recorded(const faultvfs *vfs);
faultvfs_operation faultvfs_operation_at(const faultvfs *vfs, long index);

#endif
