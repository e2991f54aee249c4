/* Before the first step: do all ranks have the same configuration, dataset and libraries? (The program is compared when ranks meet, in
 * dist/boot.h; the state of the network is rank 0's, sent to all, and compared by launch/replicas.h.) */
#ifndef FUT_LAUNCH_AGREEMENT_H
#define FUT_LAUNCH_AGREEMENT_H

#include "core/backend/backend.h"
#include "data/dataset.h"
#include "dist/comm.h"
#include "launch/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The same configuration, but for what may differ from host to host (data.file, data.threads, model.weights). Collective.
 * Errors, on all ranks: FUT_ERR_CONFIG, naming ranks, hosts and the first line that differs. */
fut_status fut_agree_on_config(const fut_config *config, fut_comm *comm) FUT_MUST_CHECK;
/* The same photos, in whatever file. Libraries that would compute other bits are a warning. Collective.
 * Errors, on all ranks: FUT_ERR_DATA, naming ranks, hosts, fingerprints and files. */
fut_status fut_agree_on_data(const fut_dataset *dataset, const fut_backend_info *info, fut_comm *comm) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
