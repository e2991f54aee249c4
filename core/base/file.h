/* Files: whole reads, and writes that a reader sees whole or not at all. */
#ifndef FUT_CORE_BASE_FILE_H
#define FUT_CORE_BASE_FILE_H

#include "core/base/status.h"
#include "core/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Append the whole file to *out. Refuses more than max_bytes and anything but a regular file.
 * Errors: FUT_ERR_NO_INPUT, FUT_ERR_PERMISSION, FUT_ERR_IO, FUT_ERR_DATA (too large, not regular). */
fut_status fut_file_read(const char *path, size_t max_bytes, fut_str *out) FUT_MUST_CHECK;

/* Atomic writer: a temporary beside `path`, then fsync, rename, fsync of the directory.
 * fut_file_write replaces path with the bytes. The begin/commit pair is for writers that need the temporary's name (HDF5).
 * Errors: FUT_ERR_CANT_CREATE (also disk full, with the bytes needed), FUT_ERR_PERMISSION, FUT_ERR_IO; path is untouched on error,
 * except where the last step fails, the flush of the directory: then the new file is in place and may not survive a power cut.
 * After a failed commit the temporary is still there: abandon it. Threads: any; at most 32 files at once. */
fut_status fut_file_write(const char *path, const void *bytes, size_t length) FUT_MUST_CHECK;

typedef struct fut_file_atomic {
    char *path;
    char *temporary; /* "<path>.tmp-<pid>-<n>"; created by begin, empty, mode 0600 & ~umask; removed by abandon, and on SIGINT/SIGTERM by
                        fut_file_cleanup_temporaries */
} fut_file_atomic;
fut_status fut_file_begin(const char *path, fut_file_atomic *file_out) FUT_MUST_CHECK;
fut_status fut_file_commit(fut_file_atomic *file) FUT_MUST_CHECK;
void fut_file_abandon(fut_file_atomic *file); /* safe after commit and on {0} */
/* Async-signal-safe: unlink every temporary that is begun and not committed. */
void fut_file_cleanup_temporaries(void);

/* mkdir -p. Errors: FUT_ERR_CANT_CREATE, FUT_ERR_PERMISSION, FUT_ERR_IO. */
fut_status fut_file_make_dirs(const char *path) FUT_MUST_CHECK;
bool fut_file_exists(const char *path);

/* Turn errno into a status and record "path: cannot <doing>: <strerror>". `doing` is a verb phrase: "open", "write".
 * ENOENT gives FUT_ERR_NO_INPUT, a full disk FUT_ERR_CANT_CREATE, EACCES FUT_ERR_PERMISSION, most others FUT_ERR_IO. */
fut_status fut_file_errno(const char *doing, const char *path, int error_number);

#ifdef __cplusplus
}
#endif

#endif
