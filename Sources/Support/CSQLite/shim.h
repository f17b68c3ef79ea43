#include <sqlite3.h>

/* sqlite3_db_config is variadic, which Swift does not import: one on/off option of one connection. */
static inline int csqlite_configure(sqlite3 *db, int option, int value) {
    int now = -1;
    int rc = sqlite3_db_config(db, option, value, &now);
    return rc != SQLITE_OK ? rc : now == value ? SQLITE_OK : SQLITE_ERROR;
}
