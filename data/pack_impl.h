/* The steps of packing. Private to data/. */
#ifndef FUT_DATA_PACK_IMPL_H
#define FUT_DATA_PACK_IMPL_H

#include "data/dataset_impl.h"
#include "data/pack.h"
#include "data/scan.h"
#include "data/split.h"

/* What became of one scanned file. */
typedef struct fut_pack_item {
    const char *path; /* below the folder; borrowed from the scan */
    int64_t person;   /* of the scan */
    int64_t place;    /* first byte in the payload */
    int64_t bytes;    /* room there, then bytes stored */
    uint64_t checksum;
    uint64_t sum[3], sum_squares[3]; /* of the pixels as read, for mean and deviation */
    char *reason;                    /* why it was rejected, owned; NULL = good */
} fut_pack_item;

/* pack_images.c: read, decode, resize and store every item at its place in fd (payload at data_offset). Shows progress.
 * Errors: FUT_ERR_CANT_CREATE (disk full), FUT_ERR_IO, FUT_ERR_NO_MEMORY; a bad photo is no error, it gets a reason. */
fut_status fut_pack_images(const fut_pack_options *options, const fut_dataset_info *info, int fd, int64_t data_offset, fut_pack_item *items,
                           int64_t n) FUT_MUST_CHECK;
/* Move the items' bytes together, in order, so that item i starts where item i - 1 ends. */
fut_status fut_pack_compact(const char *path, int fd, int64_t data_offset, fut_pack_item *items, int64_t n) FUT_MUST_CHECK;

/* pack_split.c: split, or refuse with a message that names people and choices. `names` are the people's. */
fut_status fut_pack_split(const fut_pack_options *options, const int32_t *labels, int64_t n, const char *const *names, int64_t n_people,
                          fut_split *split_out) FUT_MUST_CHECK;

#endif
