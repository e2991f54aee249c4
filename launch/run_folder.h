/* The folder of a run:
 *
 *   lock  config.yaml  log.txt  metrics.jsonl  report.html  last.h5 -> checkpoints/...  best.h5 -> checkpoints/...
 *   checkpoints/step-000000123.h5
 *
 * Only rank 0 opens it. The lock keeps two runs apart (launch/lease.h). */
#ifndef FUT_LAUNCH_RUN_FOLDER_H
#define FUT_LAUNCH_RUN_FOLDER_H

#include "core/base/str.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_run_folder fut_run_folder;

/* Make the folder and take its lock. Errors: FUT_ERR_LOCKED naming host, process and how to go on; FUT_ERR_PERMISSION, FUT_ERR_CANT_CREATE.
 */
fut_status fut_run_folder_open(const char *path, fut_run_folder **folder_out) FUT_MUST_CHECK;
/* A folder that fut_run_folder_open made goes again, unless fut_run_folder_keep was called or something unknown lies in it. */
void fut_run_folder_close(fut_run_folder **folder);
/* The run begins: the folder stays. */
void fut_run_folder_keep(fut_run_folder *folder);
/* Before anything is written: is the folder still ours? Errors: FUT_ERR_LOCKED. */
fut_status fut_run_folder_check(fut_run_folder *folder) FUT_MUST_CHECK;

/* "<run>/<name>" and "<run>/checkpoints/step-<step>.h5"; text_out is overwritten. */
fut_status fut_run_path(const char *run, const char *name, fut_str *text_out) FUT_MUST_CHECK;
fut_status fut_run_checkpoint_path(const char *run, int64_t step, fut_str *text_out) FUT_MUST_CHECK;

/* Steps of the checkpoints that stand in the folder, newest first. Owns: *steps_out, release with fut_mem_free. */
fut_status fut_run_list_checkpoints(const char *run, int64_t **steps_out, int64_t *count_out) FUT_MUST_CHECK;
/* Point last.h5 or best.h5 at a step's checkpoint, atomically. */
fut_status fut_run_link(const char *run, const char *link_name, int64_t step) FUT_MUST_CHECK;
/* Has a checkpoint ever been written here? last.h5 stays when its checkpoint is gone or set aside. */
fut_status fut_run_was_saved(const char *run, bool *was_saved_out) FUT_MUST_CHECK;
/* Move a damaged checkpoint to checkpoints/step-....h5.damaged. */
fut_status fut_run_set_aside(const char *run, int64_t step) FUT_MUST_CHECK;
/* Remove checkpoints that are neither among the newest `keep` nor where best.h5 leads. */
fut_status fut_run_prune(const char *run, int64_t keep) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
