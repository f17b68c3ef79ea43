#include <hiredis/hiredis.h>

/* Swift sees an array of characters inside a structure as a tuple. */
static inline const char *chiredis_error(const redisContext *context) { return context->errstr; }
