/* What the two halves of the HDF5 wrapper share: h5.c (files, datasets) and h5_attribute.c. Private to data/. */
#ifndef FUT_DATA_H5_IMPL_H
#define FUT_DATA_H5_IMPL_H

#include "data/h5.h"
#include "data/h5_seal_impl.h"

#include <hdf5.h>

enum { NO_ID = -1 };

struct fut_h5 {
    hid_t file;
    char *path;
    bool writing;
    int64_t file_bytes; /* reading: the size every dataset must lie in */
    char payload_name[FUT_H5_NAME_MAX + 1];
    int payload_rank;
    fut_h5_range payload;
};

/* The file's type and this machine's type for it; both are constants of the library. */
hid_t fut_h5_file_type(fut_h5_type type);
hid_t fut_h5_memory_type(fut_h5_type type);
const char *fut_h5_type_name(fut_h5_type type);

/* At the start of every public function: libhdf5 keeps its error printing per thread, so it is switched off again each time, and errno is
 * cleared for fut_h5_fail. */
void fut_h5_enter(void);
/* libhdf5 failed while `doing` something with `name`: our status, with the system's reason where it gave one and libhdf5's text elsewhere
 * (which tells the same in several lines, with addresses). */
fut_status fut_h5_fail(const fut_h5 *h5, const char *doing, const char *name) FUT_MUST_CHECK;

/* Call `step` with "/a", "/a/b", ... for the absolute path name, the last one too if `whole`. */
fut_status fut_h5_each_prefix(fut_h5 *h5, const char *name, bool whole, fut_status (*step)(fut_h5 *h5, const char *prefix)) FUT_MUST_CHECK;
/* Steps of it: make the group if it is missing; refuse a link that is not hard, since it could lead out of the file. */
fut_status fut_h5_make_group(fut_h5 *h5, const char *name) FUT_MUST_CHECK;
fut_status fut_h5_check_link(fut_h5 *h5, const char *name) FUT_MUST_CHECK;

/* A dataspace; rank 0 is a scalar. Negative on error. */
hid_t fut_h5_new_space(int rank, const int64_t *dims);

#endif
