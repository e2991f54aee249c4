/* A network on paper: what `futago plan` reads from configs/networks/NAME.yaml. */
#ifndef FUT_LAUNCH_NETWORK_FILE_H
#define FUT_LAUNCH_NETWORK_FILE_H

#include "core/base/opt.h"
#include "dist/cost.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_network_file {
    fut_opt_text name;
    int64_t ranks_a_node;
    fut_link node, between; /* in the file GB/s and us, here bytes a second and seconds */
    double storage;         /* bytes a second that rank 0 writes a checkpoint with; in the file GB/s */
    double overlap;         /* of the sum's time beside the backward, what hides behind it */
} fut_network_file;

/* Both bandwidths must be there, the rest has defaults. Errors: FUT_ERR_NO_INPUT, FUT_ERR_CONFIG with file, line and column. */
fut_status fut_network_file_load(const char *path, fut_network_file *network_out) FUT_MUST_CHECK;
fut_network fut_network_file_get(const fut_network_file *file);

#ifdef __cplusplus
}
#endif

#endif
