/* /dev/shm, through which ranks of one machine talk: Open MPI puts about 4 MiB a rank there, as files with holes. */
#ifndef FUT_DIST_SHARED_MEMORY_H
#define FUT_DIST_SHARED_MEMORY_H

#ifdef __cplusplus
extern "C" {
#endif

/* Before MPI starts: warn where there is too little, since Open MPI's own messages do not say what to do. */
void fut_shared_memory_check(void);
/* Once MPI has started: fill the holes of this process's files, so that whoever fills /dev/shm later ends no rank by SIGBUS. Warns where
 * that cannot be done. */
void fut_shared_memory_reserve(void);

#ifdef __cplusplus
}
#endif

#endif
