/* Embeddings in a file for other tools.
 *
 *   FILE.h5    /embeddings f32 [N, D], rows of length 1         /labels i64 [N], places in /identities
 *              /images/source/{bytes u8, offset u64 [N + 1]}     path i is bytes[offset[i] .. offset[i + 1])
 *              /identities/name/{bytes u8, offset u64 [C + 1]}   likewise       /identities/first u64 [C + 1], photos stand by person
 *              attributes of /: format "futago-embeddings", version 1, model, checkpoint, step, input
 *   FILE.npy   NumPy's format, version 1.0: <f4 [N, D], C order
 *   FILE.txt   beside FILE.npy, a line a row: the person, a tab, the path; control characters and bytes that are not UTF-8 as \xNN
 *
 * A file is written beside and renamed, so that it is there whole or not at all; FILE.txt before FILE.npy. */
#ifndef FUT_LAUNCH_EMBEDDINGS_FILE_H
#define FUT_LAUNCH_EMBEDDINGS_FILE_H

#include "core/base/file.h"
#include "launch/gallery.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fut_embeddings_format { FUT_EMBEDDINGS_H5, FUT_EMBEDDINGS_NPY } fut_embeddings_format;

/* Files begun and not yet in place. {0} is none. */
typedef struct fut_embeddings_file {
    fut_embeddings_format format; /* by the ending of the name */
    fut_file_atomic main, names;
} fut_embeddings_file;

/* Where the embeddings are from. */
typedef struct fut_embeddings_origin {
    const char *model, *checkpoint, *input;
    int64_t step;
} fut_embeddings_origin;

/* Make sure that the file can be written before anything is computed.
 * Errors: FUT_ERR_USAGE (another ending), FUT_ERR_CANT_CREATE (it is there and `force` is not given), as fut_file_begin. */
fut_status fut_embeddings_begin(const char *path, bool force, fut_embeddings_file *file_out) FUT_MUST_CHECK;
/* Write and put in place. Errors: as fut_file_write. */
fut_status fut_embeddings_commit(fut_embeddings_file *file, const fut_gallery *gallery, const fut_embeddings_origin *origin) FUT_MUST_CHECK;
/* Leave nothing behind; safe after commit and on {0}. */
void fut_embeddings_abandon(fut_embeddings_file *file);

#ifdef __cplusplus
}
#endif

#endif
