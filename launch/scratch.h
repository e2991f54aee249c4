/* A folder for what a command needs only while it runs. */
#ifndef FUT_LAUNCH_SCRATCH_H
#define FUT_LAUNCH_SCRATCH_H

#include "core/base/str.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A new folder "<parent>/futago-XXXXXX" beside `path` (where the ranks of a run see it, too), or in TMPDIR or /tmp where that cannot be.
 * Owns: *folder_out, the caller; fut_scratch_remove it. Errors: FUT_ERR_PERMISSION, FUT_ERR_CANT_CREATE. */
fut_status fut_scratch_create(const char *path, fut_str *folder_out) FUT_MUST_CHECK;
/* Remove the folder with all that is in it; what cannot be removed is a warning. The text is released. Safe on {0}. */
void fut_scratch_remove(fut_str *folder);

#ifdef __cplusplus
}
#endif

#endif
