/* For `futago doctor`; seen by the program, so nothing of NCCL's is named here. */
#ifndef FUT_DIST_NCCL_NCCL_PROBE_H
#define FUT_DIST_NCCL_NCCL_PROBE_H

#ifdef __cplusplus
extern "C" {
#endif

/* Exported by the module futago_nccl: the version it was built with, and the one found now; 22809 is 2.28.9. */
void fut_nccl_module_probe(int *built_out, int *found_out);

#ifdef __cplusplus
}
#endif

#endif
